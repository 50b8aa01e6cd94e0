"""The cards of a run as pages, for those who have no datastore."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


def card_pages(pathspec: str, without: str) -> dict[str, str]:
    """Return the pages of a run's cards so far, by step, and by number within a foreach.

    A card that cannot be read is left out with a warning: no run fails for it.

    Parameters
    ----------
    pathspec : str
        ``Flow/run``.
    without : str
        The step that asks: its card is not there yet.
    """
    from metaflow import Run
    from metaflow.cards import get_cards

    pages = {}
    try:
        for step in Run(pathspec, _namespace_check=False):
            tasks = [] if step.id == without else sorted(step, key=lambda task: int(task.id))
            for number, task in enumerate(tasks, 1):
                name = step.id if len(tasks) == 1 else f"{step.id}-{number}"
                for card in get_cards(task):
                    pages[name] = card.get()
    except Exception as error:  # noqa: BLE001 (whatever the datastore or a card raises)
        logger.warning("Not every card could be put into the bundle: %s", error)
    return pages
