"""Take the picture of README from a card of the latest run: `make pictures`.

Needs Chromium. Nothing is retouched: a picture is the top of a card as a browser shows it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo.browser import Browser
from demo.errors import FilmError

PICTURES = Path(__file__).parent / "pictures"
#: By the card's id: its step, and the size of the picture in pixels.
CARDS = {
    "leaderboard": ("select", 1100, 1000),
}


def main() -> None:
    """Write one picture per card."""
    from metaflow import Flow
    from metaflow.cards import get_cards

    run = Flow("FashionMnistTrain").latest_successful_run
    if run is None:
        sys.exit("pictures: expected a finished run, found none. `make run` first.")
    PICTURES.mkdir(exist_ok=True)
    for name, (step, width, height) in CARDS.items():
        (card,) = get_cards(run[step].task, id=name)
        take(card.get(), PICTURES / f"{name}.png", width, height)


def take(page: str, picture: Path, width: int, height: int) -> None:
    """Write the top of a page as a PNG file."""
    with tempfile.TemporaryDirectory() as directory, Browser(width, height) as browser:
        file = Path(directory) / "page.html"
        file.write_text(page, encoding="utf-8")
        browser.open(file.as_uri())
        browser.take(picture, whole=False)


if __name__ == "__main__":
    try:
        main()
    except FilmError as error:
        sys.exit(f"pictures: {error}")
