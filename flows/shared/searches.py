"""Budget, progress and results of the search, of a resumed run as well."""

from __future__ import annotations

import math
import shutil
import time
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.candidate_result import CandidateResult
from fmnist_lib.common.errors import DataError
from shared.identity import this_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.config.search import SearchConfig
    from fmnist_lib.search.engines.job import Job
    from fmnist_lib.search.engines.result import Progress
    from fmnist_lib.search.execution.budget import Budget

#: Value of the foreach for the task that shows all candidates; no candidate has such an id.
OVERVIEW = "all candidates"
#: Seconds between two looks at the progress (the card's refresh interval lets every second one
#: through), and between two lines on the console unless something happened.
_POLL_SECONDS, _QUIET_SECONDS = 1.25, 15.0
#: The overview gives up when no candidate has started for the first time, and none has run for the
#: second one. A task takes 2 to 5 seconds to start, on a busy machine up to 20.
_START_SECONDS, _IDLE_SECONDS = 20.0, 60.0


def current_budget(planned: Budget) -> Budget:
    """Return the budget of the search; in a resumed run it begins when the run was resumed.

    No time is kept for candidates that finished before.
    """
    from metaflow import Run, current

    if not current.origin_run_id:
        return planned
    run = Run(this_run(), _namespace_check=False)
    # Not those of the origin: `resume search` searches them again.
    finished = {
        task["candidate"].data
        for task in run["search"]
        if "origin-task-id" in task.metadata_dict and "result" in task
    }
    # Not `run.created_at`, which tags change.
    return planned.resumed(run["start"].task.created_at.timestamp(), finished)


def step_to_repeat(flow: str, run_id: str) -> str | None:
    """Return "search" if a search task of a failed run died before the winner was selected.

    Such a task counts as finished, so that `resume` alone would not search again.
    """
    from metaflow import Run

    steps = {step.id: step for step in Run(f"{flow}/{run_id}", _namespace_check=False)}
    if "search" not in steps or "examine" in steps:
        return None
    failures = (task["search_failure"] for task in steps["search"] if "search_failure" in task)
    return "search" if any(failure.data for failure in failures) else None


def results_of(inputs: Iterable[Any], config: SearchConfig) -> list[CandidateResult]:
    """Return the results of the search tasks."""
    return [_result_of(branch, config) for branch in inputs if branch.input != OVERVIEW]


def _result_of(branch: Any, config: SearchConfig) -> CandidateResult:
    """Return the result of a search task; a failed one if the whole task died."""
    if getattr(branch, "result", None) is not None:
        return branch.result
    # Metaflow keeps the traceback; its last line is the message.
    failure = str(getattr(branch, "search_failure", None) or "no message; see the log of the task")
    reason = failure.strip().splitlines()[-1]
    engine = config.candidate(branch.input).engine
    return CandidateResult(branch.input, engine, error=f"task failed: {reason}")


def pipeline_reader(run: str) -> Callable[[str], Any]:
    """Return a function from a candidate to the pipeline that its search task validated.

    The results that later steps get are without pipelines, which may take a hundred megabytes.

    Parameters
    ----------
    run : str
        ``Flow/run`` of the search.
    """
    from cards.client.card_pages import search_task

    def read(candidate: str) -> Any:
        task = search_task(run, candidate)
        if task is None:
            raise DataError(
                f"{run}: expected a search task of the candidate {candidate}, found none. Run the "
                "step where the run's tasks are stored."
            )
        return task["result"].data.pipeline

    return read


class SearchDisplay:
    """Show on the card of a search task, and on the console, how far the search is.

    Parameters
    ----------
    card : metaflow.cards.CardComponentManager
        Of the task.
    directory : Path
        Where the candidates of this run write their progress.
    version : DataVersion
    """

    def __init__(self, card: Any, directory: Path, version: DataVersion) -> None:
        self._card, self._directory, self._version = card, directory, version

    def search(self, job: Job) -> CandidateResult:
        """Search a candidate; show and write its progress and its result."""
        from cards.candidate import LiveCard, result_card
        from fmnist_lib.search.execution.candidate import search_candidate
        from fmnist_lib.search.execution.progress_files import ProgressFile

        file = ProgressFile(self._directory, job.candidate.id)
        live = LiveCard(job.candidate.id, job.seconds, self._version)
        self._card.extend(live.components)

        def on_progress(progress: Progress) -> None:
            file.update(progress)
            live.update(progress)
            self._card.refresh()

        result = search_candidate(job, on_progress)
        file.end(result)
        self._card.clear()
        self._card.extend(result_card(result, self._version))
        return result

    def follow(self, candidates: list[str], budget: Budget, config: SearchConfig) -> None:
        """Show all candidates until the last one has ended, or none runs.

        Parameters
        ----------
        candidates : list of str
        budget : Budget
            Its shares name the candidates that are still to be searched.
        config : SearchConfig
        """
        from cards.search import SearchCard, progress_line
        from fmnist_lib.search.execution.progress_files import read_progress

        waiting = list(budget.shares)
        finished = [name for name in candidates if name not in waiting]
        content, console = SearchCard(candidates, finished, self._version), _Console()
        self._card.extend(content.components)
        done, last_alive, limit = False, time.monotonic(), _START_SECONDS
        while not done and time.monotonic() - last_alive < limit:
            found, left = read_progress(self._directory), _seconds_left(budget, config)
            # A task that was killed does not end its candidate.
            done = all(name in found and not found[name].alive for name in waiting)
            content.update(found, left, ended=done)
            self._card.refresh()
            console.show(progress_line(found, waiting, left), _events(found))
            if any(one.alive for one in found.values()):
                last_alive, limit = time.monotonic(), _IDLE_SECONDS
            if not done:
                time.sleep(_POLL_SECONDS)
        if not done:
            self._card.append(_not_followed(found))
        shutil.rmtree(self._directory, ignore_errors=True)


def _seconds_left(budget: Budget, config: SearchConfig) -> float:
    """Return the seconds until the search's deadline; infinite if trials end every candidate."""
    return math.inf if config.is_bounded else budget.search_deadline - time.time()


class _Console:
    """Lines on the console: whenever something happened, else now and then."""

    def __init__(self) -> None:
        self._events: tuple[Any, ...] = ()
        self._written = -math.inf

    def show(self, line: str, events: tuple[Any, ...]) -> None:
        """Write the line if there are new events, or nothing was written for some time."""
        now = time.monotonic()
        if events != self._events or (events and now - self._written >= _QUIET_SECONDS):
            print(line)
            self._events, self._written = events, now


def _events(found: Any) -> tuple[Any, ...]:
    """Return what is worth a line when it changes: phases, and the best accuracy."""
    return tuple((name, one.phase, one.best[-1:]) for name, one in sorted(found.items()))


def _not_followed(found: Any) -> Any:
    from metaflow.cards import Markdown

    reason = (
        "The last candidates did not start"
        if found
        else "No candidate's progress can be read here: they run on other machines, or one by one"
    )
    return Markdown(f"{reason}. Each candidate has a card of its own.")
