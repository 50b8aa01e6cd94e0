"""The card of the whole search, updated while it runs.

It answers without scrolling: the best accuracy so far and whose it is, how much time is left, and
which candidates run, have ended or failed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, VegaChart

from cards.parts.charts import quantity, spec, tooltip
from cards.parts.components import box, header, table, table_source
from cards.parts.escape import text
from fmnist_lib.common.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.search.execution.progress_files import CandidateProgress

    Found = Mapping[str, CandidateProgress]

_HEADERS = ["candidate", "state", "trials", "best trial, %", "validation, %", "seconds", "note"]
_NOTE = (
    "Trials are scored on held-out training images and are optimistic; validation images, which no "
    "search used, decide between the candidates. The card of `select` has the result."
)


class SearchCard:
    """Components that show all candidates while they are searched.

    Parameters
    ----------
    candidates : sequence of str
        Ids.
    finished : collection of str
        Candidates that an earlier, interrupted run has finished.
    version : DataVersion
    """

    def __init__(
        self, candidates: Sequence[str], finished: Sequence[str], version: DataVersion
    ) -> None:
        self._candidates, self._finished = candidates, finished
        first, *others = header("The search", version)
        self._title = first
        self._boxes = {
            name: box(name, "none yet") for name in ("Best so far", "Time left", "Candidates")
        }
        self._chart, self._table = VegaChart(_chart({})), table(_HEADERS, [])
        self.components: list[MetaflowCardComponent] = [
            self._title,
            *others,
            Markdown(_NOTE),
            *self._boxes.values(),
            Markdown("## Best accuracy of each candidate, by time"),
            self._chart,
            Markdown("## Every candidate"),
            self._table,
        ]
        self.update({}, math.inf)

    def update(self, found: Found, seconds_left: float, *, ended: bool = False) -> None:
        """Show the progress of the candidates.

        Parameters
        ----------
        found : mapping of str to CandidateProgress
            Of the candidates that have started.
        seconds_left : float
            Until the end of the search; infinite if it is bounded by trials.
        ended : bool
            Whether every candidate has ended.
        """
        self._title.update(f"# {text(headline(found, ended=ended))}")
        best = best_trial(found)
        self._boxes["Best so far"].update(
            value=percent(best[1], 2) if best else "none yet",
            subtitle=f"trial of {best[0]}" if best else "no trial has ended",
        )
        value, note = _time(seconds_left, ended=ended)
        self._boxes["Time left"].update(value=value, subtitle=note)
        n_ended = sum(one.ended for one in found.values()) + len(self._finished)
        failed = sum(one.phase == "failed" for one in found.values())
        running = [name for name, one in found.items() if one.alive]
        self._boxes["Candidates"].update(
            value=f"{n_ended} of {len(self._candidates)} ended",
            subtitle=f"running: {', '.join(running) or 'none'}",
            change_indicator=f"{failed} failed" if failed else None,
            theme="danger" if failed else "default",
        )
        self._chart.update(_chart(found))
        rows = (_row(name, found.get(name), name in self._finished) for name in self._candidates)
        self._table.update(table_source(_HEADERS, rows))


def _time(seconds_left: float, *, ended: bool) -> tuple[str, str]:
    if ended:
        return "none", "every candidate has ended"
    if math.isinf(seconds_left):
        return "not limited", "the search is bounded by trials"
    return f"{max(seconds_left, 0):.0f} s", "until the deadline of the search"


def best_trial(found: Found) -> tuple[str, float] | None:
    """Return the candidate with the best trial so far, and its accuracy; None before any."""
    best = {name: one.best[-1][1] for name, one in found.items() if one.best}
    name = max(best, key=lambda one: best[one], default=None)
    return None if name is None else (name, best[name])


def headline(found: Found, *, ended: bool = False) -> str:
    """Return the state of the search in one sentence."""
    best, when = best_trial(found), "of the search" if ended else "so far"
    return f"Best trial {when}: {percent(best[1], 2)}, {best[0]}" if best else "No trial has ended"


def progress_line(found: Found, candidates: Sequence[str], seconds_left: float) -> str:
    """Return the state of the search on one line, for the console.

    Parameters
    ----------
    found : mapping of str to CandidateProgress
    candidates : sequence of str
        Ids of those that this run searches.
    seconds_left : float
        See `SearchCard.update`.
    """
    running = ", ".join(
        f"{name} ({one.phase}, trial {one.trials})" for name, one in found.items() if one.alive
    )
    ended = sum(one.ended for one in found.values())
    best = best_trial(found)
    parts = [
        f"{ended} of {len(candidates)} candidates ended",
        f"best {percent(best[1], 2)} ({best[0]})" if best else "",
        running,
        f"{max(seconds_left, 0):.0f} s left" if math.isfinite(seconds_left) else "",
    ]
    return f"Search: {'; '.join(part for part in parts if part)}."


def _row(name: str, one: CandidateProgress | None, finished: bool) -> list[str]:
    if one is None:
        return [name, "finished earlier" if finished else "not started", "", "", "", "", ""]
    died = not one.ended and not one.alive
    return [
        name,
        "task failed" if died else one.phase,
        str(one.trials) if one.trials else "",
        f"{100 * one.best[-1][1]:.2f}" if one.best else "",
        f"{100 * one.accuracy:.2f}" if one.accuracy is not None else "",
        f"{one.seconds:.0f}",
        one.note,
    ]


def _chart(found: Found) -> dict[str, Any]:
    """Return the specification of the steps by which every candidate improved."""
    start = min((one.started for one in found.values()), default=0.0)
    rows = [
        {"candidate": name, "seconds": one.started - start + seconds, "accuracy": accuracy}
        for name, one in found.items()
        # The last line goes on until the last report.
        for seconds, accuracy in (*one.best, *((one.seconds, best) for _, best in one.best[-1:]))
    ]
    best = "; ".join(
        f"{name} {percent(one.best[-1][1], 2)}" for name, one in found.items() if one.best
    )
    mark = {"type": "line", "interpolate": "step-after", "point": True}
    encoding = {
        "x": quantity("seconds", "seconds since the start of the search"),
        "y": quantity("accuracy", "best accuracy so far", ".1%"),
        "color": {"field": "candidate", "type": "nominal"},
        "tooltip": tooltip(candidate="", accuracy=".2%", seconds=".0f"),
    }
    description = f"Best accuracy so far: {best or 'nothing yet'}."
    return spec(description, rows, [{"mark": mark, "encoding": encoding}], 260)
