"""Take the picture of README from a card of the latest run: `make pictures`.

Needs Chromium. Nothing is retouched: a picture is the top of a card as a browser shows it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
#: By the card's id: its step, and the size of the picture in pixels.
CARDS = {
    "leaderboard": ("select", 1100, 1000),
}


def main() -> None:
    """Write one picture per card."""
    from metaflow import Flow
    from metaflow.cards import get_cards

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("pictures: expected chromium or google-chrome on the PATH, found neither.")
    run = Flow("FashionMnistTrain").latest_successful_run
    if run is None:
        sys.exit("pictures: expected a finished run, found none. `make run` first.")
    PICTURES.mkdir(exist_ok=True)
    for name, (step, width, height) in CARDS.items():
        (card,) = get_cards(run[step].task, id=name)
        take(browser, card.get(), PICTURES / f"{name}.png", width, height)


def take(browser: str, page: str, picture: Path, width: int, height: int) -> None:
    """Write the top of a page as a PNG file."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "page.html"
        file.write_text(page, encoding="utf-8")
        switches = [
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "hide-scrollbars",
            "virtual-time-budget=8000",
            f"user-data-dir={directory}/profile",
            f"window-size={width},{height}",
            f"screenshot={picture}",
        ]
        command = [browser, *(f"--{switch}" for switch in switches), file.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 (fixed)


if __name__ == "__main__":
    main()
