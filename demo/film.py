"""Write the film from what was shot, and check it before it gets its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.check import Limits, check_film
from demo.draw import Footage, frames
from demo.poster import write_poster
from demo.scenes import subtitles
from demo.video import writer
from fmnist_lib.common.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from demo.scenes import Script


def write_film(
    script: Script,
    footage: Path,
    film: Path,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    narrate: bool = False,
) -> list[str]:
    """Write an MP4 file and its captions; return what was measured.

    Parameters
    ----------
    script : Script
    footage : Path
        Written by `demo.shoot.shoot`.
    film : Path
        The captions are written beside it, as ``.srt``. Both appear only after the check.
    limits : Limits
    narrate : bool, default=False
        Add the captions as speech.

    Raises
    ------
    FilmError
        ffmpeg failed, or the film does not meet its limits.
    """
    shot = Footage(script, footage)
    draft = footage / "film.mp4"
    captions = subtitles(shot.cues()).encode()
    write_atomically(draft.with_suffix(".srt"), captions)
    with writer(draft, script.title) as write:
        for frame in frames(shot):
            write(frame)
    if narrate:
        from demo.narration import add_narration

        add_narration(draft, shot.cues())
    measured = check_film(draft, limits)
    film.parent.mkdir(parents=True, exist_ok=True)
    if script.poster:
        write_poster(draft, shot.cues(), script.poster, film.with_suffix(".png"))
    draft.replace(film)
    write_atomically(film.with_suffix(".srt"), captions)
    return [line.replace(str(draft), str(film)) for line in measured]
