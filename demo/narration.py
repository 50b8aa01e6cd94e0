"""Spoken captions: espeak-ng reads them, and the film gets a sound track."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from pathlib import Path
from typing import TYPE_CHECKING

from demo.errors import FilmError
from fmnist_lib.common.files import partial_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.scenes import Cue

#: Words per minute: the usual speed, and the fastest that is tried for a long caption.
USUAL, FASTEST, STEP = 165, 260, 15
#: Silence after a caption's start, in seconds.
_PAUSE = 0.25


def add_narration(film: Path, cues: Sequence[Cue]) -> None:
    """Add a sound track with the captions to a film.

    Raises
    ------
    FilmError
        espeak-ng or ffmpeg failed.
    """
    with tempfile.TemporaryDirectory() as directory:
        track = Path(directory) / "track.wav"
        write_track(track, cues)
        with partial_file(film) as partial:
            command = ["ffmpeg", "-v", "error", "-y", "-i", film.name, "-i", str(track)]
            options = [
                "-c:v",
                "copy",
                "-c:a",
                "aac",
                "-b:a",
                "64k",
                "-movflags",
                "+faststart",
                "-f",
                "mp4",
            ]
            _run([*command, *options, partial.name], film.parent)


def write_track(track: Path, cues: Sequence[Cue]) -> None:
    """Write a WAV file in which every caption is read at its time."""
    sound, rate = b"", 0
    for cue in cues:
        voice, rate = _read(cue.text, cue.end - cue.start - _PAUSE, track.with_name("one.wav"))
        start = 2 * round((cue.start + _PAUSE) * rate)
        sound = sound[:start].ljust(start, b"\0") + voice
    with wave.open(str(track), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.ljust(2 * round(cues[-1].end * rate), b"\0"))


def _read(text: str, seconds: float, file: Path) -> tuple[bytes, int]:
    """Return a text as speech, mono with 16 bits, not longer than some seconds; and its rate."""
    for speed in range(USUAL, FASTEST, STEP):
        _run(["espeak-ng", "-v", "en", "-s", str(speed), "-w", str(file), text], file.parent)
        with wave.open(str(file)) as speech:
            length, rate = speech.getnframes(), speech.getframerate()
            sound = speech.readframes(length)
        if length <= seconds * rate:
            break
    return sound[: 2 * int(seconds * rate)], rate


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FilmError(f"{command[0]} failed: {done.stderr.strip()}")
