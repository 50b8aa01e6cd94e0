"""End the card of a step: the other cards of the run, or why the step failed."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow import UserStepDecorator, current
from metaflow.cards import Markdown
from metaflow.datastore.exceptions import DataException
from metaflow.exception import MetaflowException

from cards.parts.components import details
from cards.parts.escape import code, paragraphs
from fmnist_lib.common.process import command_options

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Slightly more than Metaflow's rate limit for refreshes of one card.
REFRESH_SECONDS = 5.2
#: Steps with a card, and what it shows. Not `search`: by the step alone, `card view` opens the card
#: of one of its tasks, any candidate's.
_CARDS = {
    "train.py": {
        "start": "data",
        "eda": "exploration",
        "select": "leaderboard",
        "explain": "SHAP attributions",
        "drift": "drift tests",
        "cross_fit": "audit of the training labels",
        "stress": "slices, shifts and behaviour tests",
        "publish": "summary",
        "end": "timeline",
    },
    "monitor.py": {"start": "champion", "assess": "verdict", "retrain": "retraining"},
}
#: Options of Metaflow that say where a run is kept.
_STORES = ("--datastore", "--metadata")


class StepCard(UserStepDecorator):
    """Put the other cards of the run on a step's card, or the reason of a failure.

    An error that this project raises on purpose then ends the task with its message alone; any
    other keeps its traceback, unless the disk is full or memory has run out.

    Parameters
    ----------
    card : str
        Id of the step's card.
    """

    def init(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 (Metaflow's signature)
        """Take the arguments of the decorator."""
        self._card_id = kwargs["card"]

    def post_step(
        self,
        step_name: str,
        flow: Any,  # noqa: ARG002 (Metaflow's signature)
        exception: Exception | None = None,
    ) -> tuple[Exception | None, dict[str, Any] | None]:
        """Add the last section; render a failure before it is raised again."""
        from fmnist_lib.common.errors import DataError, FmnistError
        from fmnist_lib.common.machine_failures import machine_failure

        card = current.card[self._card_id]
        if exception is None:
            card.append(other_cards(step_name, current.run_id, sys.argv[0]))
            return None, None
        if message := machine_failure(exception):
            # No card: it could not be written either.
            return _message_only(message), None
        if message := damaged_artifact(exception, sys.argv):
            exception = DataError(message)
        card.extend(failure(step_name, exception, resume_command(sys.argv, current.run_id)))
        # A failed step renders no card at its end. The first refresh renders in a background
        # process, which would find the task's configuration deleted; the second, once the rate
        # limit allows it, waits for that process.
        card.refresh(force=True)
        time.sleep(REFRESH_SECONDS)
        card.refresh(force=True)
        if isinstance(exception, FmnistError):
            exception = _message_only(f"{type(exception).__name__}: {exception}")
        return exception, None


def other_cards(step_name: str, run_id: str, script: str) -> Any:
    """Build the folded section with the commands that open the other cards of the run.

    Parameters
    ----------
    step_name, run_id : str
        Of this card.
    script : str
        Path of the flow's file.
    """
    flow = Path(script).name
    rows = [
        (content, f"python flows/{flow} card view {run_id}/{step}")
        for step, content in _CARDS.get(flow, {}).items()
        if step != step_name
    ]
    if flow == "train.py":
        page = f"python -m cards page {run_id} --out page"
        rows.append(("all of these, the search and every candidate, as files", page))
    return details("Other cards of this run", ["card", "command"], rows)


def failure(step_name: str, error: BaseException, command: str) -> list[Any]:
    """Build the section: what failed, why, and how to resume."""
    return [
        Markdown(f"# The step {code(step_name)} failed"),
        Markdown(f"**{type(error).__name__}**: {paragraphs(error)}"),
        Markdown(f"Fix the cause, then continue with {code(command)}."),
    ]


def resume_command(arguments: Sequence[str], run_id: str, step: str | None = None) -> str:
    """Return the command that resumes a run from what it has finished.

    Plain ``resume`` would go back to the last ``run``, and lose what a failed ``resume`` finished.

    Parameters
    ----------
    arguments : sequence of str
        Command line of the run or of one of its tasks: the datastore and the metadata service it
        names are named again, unless they are local.
    run_id : str
    step : str, optional
        First step to repeat although it has finished.

    Examples
    --------
    >>> resume_command(["flows/train.py", "--datastore", "s3", "run", "--seed", "1"], "17")
    'python flows/train.py --datastore s3 resume --origin-run-id 17'
    """
    options = [
        part
        for name, value in command_options(arguments)
        if name in _STORES and value != "local"
        for part in (name, value)
    ]
    steps = [step] if step else []
    return shlex.join(
        ["python", arguments[0], *options, "resume", *steps, "--origin-run-id", run_id]
    )


def damaged_artifact(error: BaseException, arguments: Sequence[str]) -> str | None:
    """Return the message for an artifact that cannot be read, or None for any other error.

    Metaflow never replaces a file of its datastore, so repeating the step is not enough.

    Parameters
    ----------
    error : BaseException
    arguments : sequence of str
        Command line of the task.
    """
    if not (isinstance(error, DataException) and "Could not unpack" in str(error)):
        return None
    command = resume_command(arguments, current.run_id, "STEP")
    return (
        f"{error}. A file of Metaflow's datastore is damaged. Delete it, then run {command}, with "
        "the step that stored the file in place of STEP"
    )


def _message_only(message: str) -> MetaflowException:
    """Return an error of the kind that Metaflow prints without a traceback."""
    wrapped = MetaflowException(message)
    wrapped.headline = "The step failed"
    return wrapped
