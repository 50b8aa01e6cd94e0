"""The cards of a run as HTML pages, for readers without the datastore."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)


def card_pages(pathspec: str, without: str) -> dict[str, str]:
    """Return the pages of a run's cards so far, by step, and by candidate within the search.

    A card that cannot be read is left out with a warning and never fails the run.

    Parameters
    ----------
    pathspec : str
        ``Flow/run``.
    without : str
        The calling step, whose card does not exist yet.
    """
    from metaflow import Run

    pages: dict[str, str] = {}
    try:
        for step in Run(pathspec, _namespace_check=False):
            tasks = [] if step.id == without else sorted(step, key=lambda task: int(task.id))
            for task in tasks:
                pages |= _pages(_name(task), task)
    except Exception as error:  # noqa: BLE001 (whatever the datastore raises)
        logger.warning("Some cards are left out, as the tasks of the run cannot be read: %r", error)
    return pages


def candidate_of(task: Any) -> str | None:
    """Return the candidate that a task searched; None for other tasks, or if it can't be read."""
    if task.parent.id != "search":
        return None
    try:
        return str(task["candidate"].data) if "candidate" in task else None
    except Exception as error:  # noqa: BLE001 (whatever the datastore raises)
        logger.warning("The candidate of %s can't be read: %r", task.pathspec, error)
        return None


def search_command(pathspec: str, candidate: str) -> str:
    """Return the command that opens a candidate's card; empty for the ensemble, which has none.

    Parameters
    ----------
    pathspec : str
        ``Flow/run``.
    candidate : str
    """
    task = search_task(pathspec, candidate)
    if task is None:
        return ""
    return f"python flows/train.py card view {'/'.join(task.pathspec.split('/')[1:])}"


def search_task(pathspec: str, candidate: str) -> Any:
    """Return the task of a run that searched a candidate; None if there is none."""
    from metaflow import Run

    tasks = Run(pathspec, _namespace_check=False)["search"]
    return next((task for task in tasks if candidate_of(task) == candidate), None)


def _name(task: Any) -> str:
    """Return the name of a task's page."""
    step, candidate = task.parent.id, candidate_of(task)
    return f"{step}-{candidate}" if candidate else step


def _pages(name: str, task: Any) -> dict[str, str]:
    """Return the page of a task's last card; none if it cannot be read."""
    try:
        pages = [card.get() for card in _cards(task)]
    except Exception as error:  # noqa: BLE001 (whatever the datastore or a card raises)
        logger.warning("The card of %s is left out, as it cannot be read: %r", name, error)
        return {}
    return {name: pages[-1]} if pages else {}


def _cards(task: Any) -> Iterable[Any]:
    """Return the cards of a task; empty for a step without one."""
    from metaflow.cards import get_cards
    from metaflow.plugins.cards.exception import CardNotPresentException

    try:
        return get_cards(task)
    except CardNotPresentException:
        return ()
