"""The cards of a run as HTML pages, for readers without the datastore."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)


def card_pages(pathspec: str, without: str) -> dict[str, str]:
    """Return the pages of a run's cards so far, by step, and by number within a foreach.

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
            for number, task in enumerate(tasks, 1):
                name = step.id if len(tasks) == 1 else f"{step.id}-{number}"
                pages |= _pages(name, task)
    except Exception as error:  # noqa: BLE001 (whatever the datastore raises)
        logger.warning("Not every card could be put into the bundle: %r", error)
    return pages


def _pages(name: str, task: Any) -> dict[str, str]:
    """Return the page of a task's last card; none if it cannot be read."""
    try:
        pages = [card.get() for card in _cards(task)]
    except Exception as error:  # noqa: BLE001 (whatever the datastore or a card raises)
        logger.warning("The card of %s could not be put into the bundle: %r", name, error)
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
