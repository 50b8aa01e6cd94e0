"""Sizes, colours and fonts of the film, and its caption bar."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, FRAMES_PER_SECOND = 1280, 720, 24
#: Height of the caption bar at the bottom; the rest is the picture above it.
BAR = 116
PICTURE = HEIGHT - BAR
#: Height of the line above a page that shows the command that opens it.
HEADER = 44
#: Smallest letters of a command.
SMALLEST = 12
#: Characters per caption line, and lines per caption.
LINE, LINES = 84, 2
INK, PAPER, BAR_PAPER, BAR_INK, ACCENT = "#17202b", "#ffffff", "#10161e", "#f4f7fa", "#7cb4f0"


@cache
def font(size: int, mono: bool = False, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return one of the fonts that Matplotlib brings, the same on every machine."""
    import matplotlib as mpl

    name = f"DejaVuSans{'Mono' if mono else ''}{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def caption_lines(text: str) -> list[str]:
    """Return a caption in lines of about the same length."""
    lines = textwrap.wrap(text, LINE)
    if len(lines) == LINES:
        for width in range(len(text) // LINES, LINE):
            balanced = textwrap.wrap(text, width)
            if len(balanced) == LINES:
                return balanced
    return lines


@cache
def caption_bar(text: str, label: str) -> Image.Image:
    """Draw the caption bar: a small label, and at most two lines below it."""
    bar = Image.new("RGB", (WIDTH, BAR), BAR_PAPER)
    draw = ImageDraw.Draw(bar)
    draw.rectangle((0, 0, WIDTH, 2), fill=ACCENT)
    draw.text((32, 11), label, font=font(16, bold=True), fill=ACCENT)
    lines = caption_lines(text)
    top = 36 if len(lines) > 1 else 52
    for number, line in enumerate(lines):
        draw.text((32, top + 36 * number), line, font=font(25), fill=BAR_INK)
    return bar


def header(command: str) -> Image.Image:
    """Draw the line above a page: the command that opens it."""
    line = _frame_top("#e7ecf2")
    draw = ImageDraw.Draw(line)
    draw.rounded_rectangle((104, 7, WIDTH - 20, HEADER - 7), 8, fill=PAPER)
    size = 18
    while size > SMALLEST and font(size, mono=True).getlength(f"$ {command}") > WIDTH - 150:
        size -= 1
    draw.text((118, HEADER / 2), f"$ {command}", font=font(size, mono=True), fill=INK, anchor="lm")
    draw.line((0, HEADER - 1, WIDTH, HEADER - 1), fill="#c8d0d9")
    return line


def terminal_header(badge: str) -> Image.Image:
    """Draw the line above a terminal, with a badge on the right unless it is empty."""
    line = _frame_top("#2b3643")
    if badge:
        draw = ImageDraw.Draw(line)
        letters = font(19, bold=True)
        left = WIDTH - 36 - letters.getlength(badge)
        draw.rounded_rectangle((left - 14, 6, WIDTH - 22, HEADER - 7), 9, fill="#d1571a")
        draw.text((left, HEADER / 2), badge, font=letters, fill=PAPER, anchor="lm")
    return line


def _frame_top(colour: str) -> Image.Image:
    """Draw the upper edge of a window."""
    line = Image.new("RGB", (WIDTH, HEADER), colour)
    draw = ImageDraw.Draw(line)
    for number, dot in enumerate(("#e0695e", "#e3b04b", "#6cb36c")):
        draw.ellipse((18 + 24 * number, 15, 32 + 24 * number, 29), fill=dot)
    return line
