"""The pages of the documentation, and the command lines in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: In the order in which their commands are run.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHELL = ("", "bash", "sh")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of every fenced block."""
    return _BLOCK.findall(page.read_text())


def commands(page: Path) -> list[str]:
    """Return the lines of the blocks of commands, without their comments."""
    text = "\n".join(text for language, text in blocks(page) if language in _SHELL)
    lines = [re.sub(r"(^|\s+)#\s.*", "", line) for line in text.replace("\\\n", " ").splitlines()]
    return [line.strip() for line in lines if line.strip()]


def python(page: Path) -> str:
    """Return the Python blocks of a page as one program."""
    return "\n".join(text for language, text in blocks(page) if language == "python")
