"""The pages of the documentation, and the command lines in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
OTHERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHELL = ("", "bash", "sh")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return _BLOCK.findall(page.read_text())


def commands(page: Path) -> list[str]:
    """Lines of the blocks of commands, without their comments."""
    shell = [text for language, text in blocks(page) if language in _SHELL]
    # README's picture of the flow is no command.
    text = "\n".join(text for text in shell if not text.startswith("start -> "))
    lines = [re.sub(r"(^|\s+)#\s.*", "", line) for line in text.replace("\\\n", " ").splitlines()]
    return [line.strip() for line in lines if line.strip()]
