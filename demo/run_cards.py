"""Write the cards of the latest run of a flow as HTML files, one per card id.

Run in the checkout whose datastore is read: ``python demo/run_cards.py FLOW DIRECTORY``.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(flow: str, directory: str) -> None:
    """Write ``ID.html`` of every card; of cards with the same id, that of the first task.

    The first task of the search shows all candidates.
    """
    from metaflow import Flow, namespace
    from metaflow.cards import get_cards
    from metaflow.plugins.cards.exception import CardNotPresentException

    namespace(None)
    run = Flow(flow).latest_run
    place = Path(directory)
    place.mkdir(parents=True, exist_ok=True)
    for one in run:
        for task in sorted(one, key=lambda task: int(task.id)):
            try:
                cards = list(get_cards(task))
            except CardNotPresentException:
                continue
            for card in cards:
                file = place / f"{card.id}.html"
                if not file.exists():
                    file.write_text(card.get(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
