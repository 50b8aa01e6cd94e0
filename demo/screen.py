"""The screen of a terminal: text with ANSI escape sequences to rows of coloured cells."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from demo.layout import HEADER, PICTURE, WIDTH, font, terminal_header

COLUMNS, FONT_SIZE, ROW, LEFT, TOP = 103, 20, 26, 20, HEADER + 12
ROWS = (PICTURE - TOP - 8) // ROW
_PAPER, _INK, _DIM = "#17202b", "#d7dee6", "#93a0ae"
_COLOURS = (
    "#6b7886", "#f2777a", "#8fd19e", "#f5d48b", "#7cb4f0", "#d6a2e8", "#7fd6d6", "#e7ecf2",
)  # fmt: skip
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>()].?")


@dataclass(frozen=True)
class Style:
    """Look of a cell.

    Attributes
    ----------
    colour : str
    bold : bool
    """

    colour: str = _INK
    bold: bool = False


_BLANK = (" ", Style())


class Screen:
    """Rows of a terminal after some output."""

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self.columns, self.height = columns, rows
        self.rows: list[list[tuple[str, Style]]] = [[]]
        self._row = self._column = 0
        self._style = Style()

    def feed(self, text: str) -> None:
        """Add output; escape sequences other than colours and erasing are ignored."""
        position = 0
        for match in _SEQUENCE.finditer(text):
            self._print(text[position : match.start()])
            self._obey(match[1] or "", match[2] or "")
            position = match.end()
        self._print(text[position:])

    @property
    def lines(self) -> list[str]:
        """Text of the visible rows."""
        return ["".join(character for character, _ in row).rstrip() for row in self.visible]

    @property
    def visible(self) -> list[list[tuple[str, Style]]]:
        """The last rows."""
        return self.rows[-self.height :]

    def _print(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self._next_row()
            elif character == "\r":
                self._column = 0
            elif character == "\b":
                self._column = max(0, self._column - 1)
            elif character == "\t":
                self._print(" " * (8 - self._column % 8))
            elif character.isprintable():
                self._put(character)

    def _put(self, character: str) -> None:
        if self._column == self.columns:
            self._next_row()
            self._column = 0
        row = self.rows[self._row]
        row.extend([_BLANK] * (self._column + 1 - len(row)))
        row[self._column] = (character, self._style)
        self._column += 1

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append([])

    def _obey(self, numbers: str, command: str) -> None:
        if command == "m":
            for number in numbers.split(";"):
                self._style = _styled(self._style, int(number or 0))
        elif command == "K" and numbers in ("", "0"):
            del self.rows[self._row][self._column :]
        elif command == "K":
            self.rows[self._row] = []
        elif command == "A":
            self._row = max(0, self._row - int(numbers or 1))
        elif command == "J" and numbers in ("2", "3"):
            self.rows, self._row, self._column = [[]], 0, 0


def _styled(style: Style, number: int) -> Style:
    """Return a style after a number of the sequence ``ESC [ ... m``."""
    if number == 0:
        return Style()
    if number in (1, 22):
        return replace(style, bold=number == 1)
    if number == 2:  # noqa: PLR2004 (dim, by the standard ECMA-48)
        return replace(style, colour=_DIM)
    if number in (*range(30, 38), *range(90, 98)):
        return replace(style, colour=_COLOURS[number % 10])
    return replace(style, colour=_INK) if number == 39 else style  # noqa: PLR2004 (as above)


def draw(screen: Screen, badge: str = "") -> Image.Image:
    """Draw a screen with its cursor, and a badge in the line above it."""
    picture = Image.new("RGB", (WIDTH, PICTURE), _PAPER)
    picture.paste(terminal_header(badge), (0, 0))
    pen = ImageDraw.Draw(picture)
    width = font(FONT_SIZE, mono=True).getlength("M")
    for number, row in enumerate(screen.visible):
        top = TOP + ROW * number
        start = 0
        while start < len(row):
            style = row[start][1]
            end = start
            while end < len(row) and row[end][1] == style:
                end += 1
            text = "".join(character for character, _ in row[start:end])
            letters = font(FONT_SIZE, mono=True, bold=style.bold)
            pen.text((LEFT + width * start, top), text, font=letters, fill=style.colour)
            start = end
    left = LEFT + width * len(screen.visible[-1])
    top = TOP + ROW * (len(screen.visible) - 1)
    pen.rectangle((left, top + 2, left + width - 2, top + ROW - 4), fill=_DIM)
    return picture
