"""The video file: frames to ffmpeg, and what a finished file holds."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from demo.errors import FilmError
from demo.layout import FRAMES_PER_SECOND, HEIGHT, WIDTH
from fmnist_lib.common.files import partial_file
from fmnist_lib.release.pdf import find_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_COLOURS = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"


def require_tools(narrate: bool = False) -> None:
    """Raise one error that names every missing program.

    Parameters
    ----------
    narrate : bool, default=False
        The film is to be spoken.

    Raises
    ------
    FilmError
        With the command that installs them on Debian.
    """
    found = {
        "ffmpeg": all(map(shutil.which, ("ffmpeg", "ffprobe"))),
        "chromium": find_browser() is not None,
        "git": shutil.which("git") is not None,
    }
    if narrate:
        found["espeak-ng"] = shutil.which("espeak-ng") is not None
    missing = [name for name, there in found.items() if not there]
    if missing:
        raise FilmError(
            f"The film: expected {', '.join(found)} on the PATH, found no {', '.join(missing)}. "
            f"Install what is missing, on Debian: apt-get install {' '.join(missing)}"
        )


@contextmanager
def writer(path: Path, title: str) -> Iterator[Callable[[bytes], Any]]:
    """Yield a function that takes the frames; the file appears only when it is complete.

    Parameters
    ----------
    path : Path
        Its directory must exist.
    title : str
        Metadata of the file.

    Raises
    ------
    FilmError
        ffmpeg failed.
    """
    size = f"{WIDTH}x{HEIGHT}"
    options = (
        f"-f rawvideo -pix_fmt rgb24 -s {size} -r {FRAMES_PER_SECOND} -i - "
        "-vf scale=out_color_matrix=bt709:out_range=tv -pix_fmt yuv420p "
        f"-c:v libx264 -preset medium -crf 22 -g 250 {_COLOURS} "
        "-fflags +bitexact -movflags +faststart -f mp4"
    ).split()
    with partial_file(path) as partial, tempfile.TemporaryFile() as messages:
        command = ["ffmpeg", "-v", "error", "-y", *options, "-metadata", f"title={title}"]
        with subprocess.Popen(
            [*command, str(partial)], stdin=subprocess.PIPE, stderr=messages
        ) as process:
            assert process.stdin is not None  # noqa: S101 (it is a pipe)
            try:
                yield process.stdin.write
                process.stdin.close()
            except BrokenPipeError:
                pass
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            messages.seek(0)
            raise FilmError(f"ffmpeg failed: {messages.read().decode(errors='replace').strip()}")


@dataclass(frozen=True)
class Facts:
    """Facts about a video file.

    Attributes
    ----------
    seconds, megabytes : float
    codec : str
    width, height : int
    """

    seconds: float
    megabytes: float
    codec: str
    width: int
    height: int


def facts(path: Path) -> Facts:
    """Return length, size, codec and picture size of a video file.

    Raises
    ------
    FilmError
        It is no video file.
    """
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json"]
    command += ["-show_entries", "format=duration:stream=codec_name,width,height", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FilmError(f"{path}: expected a video file, got: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    stream = found["streams"][0]
    return Facts(
        float(found["format"]["duration"]),
        path.stat().st_size / 1e6,
        stream["codec_name"],
        stream["width"],
        stream["height"],
    )


def frame_at(path: Path, seconds: float) -> Image.Image:
    """Return one frame of a video file."""
    command = ["ffmpeg", "-v", "error", "-ss", f"{seconds:.3f}", "-i", str(path), "-frames:v", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if len(done.stdout) != 3 * WIDTH * HEIGHT:
        message = done.stderr.decode(errors="replace").strip()
        raise FilmError(f"{path}: expected a frame at {seconds:.1f} s, got none. {message}")
    return Image.frombytes("RGB", (WIDTH, HEIGHT), done.stdout)
