"""The poster of the film: four of its frames and a triangle to press."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from demo.errors import FilmError
from demo.layout import PICTURE, WIDTH
from demo.video import frame_at
from fmnist_lib.common.files import partial_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from demo.scenes import Cue

#: Size of one of the four frames, the gap between two, and colours of the PNG file.
SIZE, GAP, COLOURS = (520, 520 * PICTURE // WIDTH), 8, 128


def write_poster(film: Path, cues: Sequence[Cue], scenes: Sequence[str], poster: Path) -> None:
    """Write a PNG file with the frames at the end of four scenes' first captions.

    Parameters
    ----------
    film : Path
    cues : sequence of Cue
        Captions of the film.
    scenes : sequence of str
        Names of four scenes.
    poster : Path
        Its directory must exist.

    Raises
    ------
    FilmError
        The film has no such scene.
    """
    width, height = (2 * side + 3 * GAP for side in SIZE)
    picture = Image.new("RGB", (width, height), "#10161e")
    for number, scene in enumerate(scenes):
        cue = next((cue for cue in cues if cue.label.startswith(scene)), None)
        if cue is None:
            raise FilmError(f"poster: expected a scene {scene!r}, got none. Name another one.")
        frame = frame_at(film, cue.end - 0.4).crop((0, 0, WIDTH, PICTURE))
        row, column = divmod(number, 2)
        place = (GAP + column * (SIZE[0] + GAP), GAP + row * (SIZE[1] + GAP))
        picture.paste(frame.resize(SIZE, Image.Resampling.LANCZOS), place)
    draw = ImageDraw.Draw(picture)
    x, y = width // 2, height // 2
    draw.ellipse((x - 52, y - 52, x + 52, y + 52), fill="#d1571a", outline="#ffffff", width=4)
    draw.polygon([(x - 16, y - 26), (x - 16, y + 26), (x + 30, y)], fill="#ffffff")
    with partial_file(poster) as partial:
        palette = picture.quantize(COLOURS, dither=Image.Dither.NONE)
        palette.save(partial, format="PNG", optimize=True)
