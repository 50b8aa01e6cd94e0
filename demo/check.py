"""Check a finished film: length, size, and ten frames against their captions."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demo.errors import FilmError
from demo.layout import BAR, HEIGHT, PICTURE, WIDTH, caption_bar
from demo.scenes import read_subtitles
from demo.video import facts, frame_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

    from demo.scenes import Cue

#: A frame is blank below this standard deviation of its grey values, of 255.
BLANK = 6.0
#: A caption bar shows another caption below this correlation with the drawn one.
SAME = 0.9
#: Similarity of a caption and of what Tesseract reads.
SIMILAR = 0.75
#: Distance from the next caption, in seconds, that a checked frame keeps.
_GAP = 0.4
#: The labels above the captions end here, in pixels from the top of the caption bar.
_LABEL = 34


@dataclass(frozen=True)
class Limits:
    """Limits of a film.

    Attributes
    ----------
    shortest, longest : float
        Seconds.
    megabytes : float
        Decimal megabytes, exclusive.
    times : sequence of float
        Times of the frames to check, in seconds.
    """

    shortest: float = 240.0
    longest: float = 300.0
    megabytes: float = 25.0
    times: Sequence[float] = tuple(range(5, 231, 25))


def check_film(film: Path, limits: Limits = Limits()) -> list[str]:
    """Return what was measured, as sentences.

    Parameters
    ----------
    film : Path
        MP4 file with its captions beside it (``.srt``).
    limits : Limits

    Raises
    ------
    FilmError
        With everything that does not meet its limit.
    """
    found = facts(film)
    cues = read_subtitles(film.with_suffix(".srt").read_text(encoding="utf-8"))
    wrong = []
    if not limits.shortest <= found.seconds <= limits.longest:
        length = f"{limits.shortest:.0f} to {limits.longest:.0f} s"
        wrong.append(f"{found.seconds:.1f} s long, expected {length}")
    if found.megabytes >= limits.megabytes:
        wrong.append(f"{found.megabytes:.1f} MB, expected less than {limits.megabytes:.0f}")
    if (found.codec, found.width, found.height) != ("h264", WIDTH, HEIGHT):
        wrong.append(f"{found.codec} {found.width}x{found.height}, expected h264 {WIDTH}x{HEIGHT}")
    for time in limits.times:
        cue, moment = _cue_at(cues, time)
        wrong += [f"at {moment:.1f} s: {one}" for one in _frame(frame_at(film, moment), cue)]
    if wrong:
        raise FilmError(f"{film}: " + "; ".join(wrong) + ".")
    read = "read by Tesseract and " if shutil.which("tesseract") else ""
    size = f"{found.codec} {found.width}x{found.height}"
    return [
        f"{film}: {found.seconds:.1f} s, {found.megabytes:.1f} MB, {size}",
        f"{len(limits.times)} frames are not blank, and their captions were {read}compared",
    ]


def _cue_at(cues: list[Cue], time: float) -> tuple[Cue, float]:
    """Return the caption at a time, and the nearest moment at which nothing changes."""
    for cue in cues:
        if time < cue.end:
            return cue, min(max(time, cue.start + _GAP), cue.end - _GAP)
    raise FilmError(f"Expected a caption at {time:.1f} s, got {len(cues)} that end before.")


def _frame(frame: Image.Image, cue: Cue) -> Iterator[str]:
    """Yield what is wrong about a frame."""
    spread = float(np.asarray(frame.crop((0, 0, WIDTH, PICTURE)).convert("L")).std())
    if spread < BLANK:
        yield f"a blank picture (standard deviation {spread:.1f} of 255)"
    below = (0, _LABEL, WIDTH, BAR)
    shown = frame.crop((0, PICTURE, WIDTH, HEIGHT)).crop(below)
    drawn = caption_bar(cue.text, "").crop(below)
    pixels = [np.asarray(one.convert("L"), dtype=float).ravel() for one in (shown, drawn)]
    with np.errstate(invalid="ignore"):  # a bar of one colour has no correlation
        same = float(np.nan_to_num(np.corrcoef(pixels[0], pixels[1])[0, 1]))
    if same < SAME:
        yield f"another caption than {cue.text!r} (correlation {same:.2f})"
    text = read_text(shown)
    if text is not None:
        similar = difflib.SequenceMatcher(None, _plain(text), _plain(cue.text)).ratio()
        if similar < SIMILAR:
            yield f"Tesseract read {text!r}, expected {cue.text!r}"


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def read_text(picture: Image.Image) -> str | None:
    """Return the text in a picture by Tesseract; None if it is not installed."""
    if shutil.which("tesseract") is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "caption.png"
        picture.resize((picture.width * 2, picture.height * 2)).save(file)
        done = subprocess.run(
            ["tesseract", str(file), "-", "--psm", "6"],  # noqa: S607 (found on the PATH)
            capture_output=True,
            text=True,
            check=False,
        )
    return " ".join(done.stdout.split()) if done.returncode == 0 else None
