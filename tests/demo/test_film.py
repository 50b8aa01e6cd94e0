"""A short film, from its script to the file, and the check that refuses a bad one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zlib

import pytest
from PIL import Image

from demo.check import Limits, check_film
from demo.draw import Footage, frames
from demo.errors import FilmError
from demo.film import write_film
from demo.layout import FRAMES_PER_SECOND, HEIGHT, WIDTH
from demo.scenes import read_script
from demo.shoot import shoot
from demo.video import facts, writer
from demo.workspace import Workspace

LIMITS = Limits(13.0, 15.0, 5.0, (1, 4, 7, 10.5, 12))
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
PAGE = "<h1>First</h1>" + "<p>text</p>" * 30 + "<h2>Second</h2>" + "<p>more</p>" * 30


@pytest.fixture(scope="module")
def footage(short_script, tmp_path_factory):
    if not shutil.which("chromium"):
        pytest.skip("no Chromium on this machine")
    directory = tmp_path_factory.mktemp("film")
    (directory / "page.html").write_text(PAGE)
    (directory / "checkout").mkdir()
    workspace = Workspace(directory / "checkout", dict(os.environ), 0)
    said = []
    shoot(short_script, workspace, directory / "footage", said.append)
    assert len(said) == len(short_script.scene)
    return directory / "footage"


@pytest.fixture(scope="module")
def film(short_script, footage):
    path = footage.parent / "dist" / "short.mp4"
    measured = write_film(short_script, footage, path, LIMITS)
    assert "14.0 s" in measured[0]
    return path


@needs_ffmpeg
def test_the_film_has_the_length_of_its_captions(film):
    found = facts(film)
    assert (found.codec, found.width, found.height) == ("h264", 1280, 720)
    assert found.seconds == pytest.approx(14.0, abs=0.1)
    assert sorted(path.name for path in film.parent.iterdir()) == ["short.mp4", "short.srt"]


def test_the_same_footage_gives_the_same_frames(short_script, footage):
    def drawn():
        return [zlib.crc32(frame) for frame in frames(Footage(short_script, footage))]

    first = drawn()
    assert len(first) == 14 * FRAMES_PER_SECOND
    assert len(set(first)) > 50
    assert first == drawn()


def test_captions_name_the_speed_of_the_replay(short_script, footage):
    cues = [cue.text for cue in Footage(short_script, footage).cues()]
    assert len(cues) == 4
    assert re.fullmatch(r"Waiting is shown at [\d.]+ times the speed\.", cues[1])


def test_a_page_that_does_not_exist_is_named(tmp_path):
    path = tmp_path / "scenes.toml"
    captions = 'captions = [{text = "a", seconds = 1}]'
    path.write_text(f'title = "x"\n[[scene]]\nname = "Last"\npage = "absent.html"\n{captions}')
    workspace = Workspace(tmp_path, dict(os.environ), 0)
    with pytest.raises(FilmError, match=r"Last: expected absent\.html, got none"):
        shoot(read_script(path), workspace, tmp_path / "footage", print)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A slide with a title", "Another caption of it", r"at 1\.0 s: another caption"),
        ("the caption is about", "xyz 12345 abc qrs tuv", r"at 12\.0 s: another caption"),
    ],
)
def test_another_caption_than_in_the_subtitles_is_found(film, tmp_path, old, new, message):
    shutil.copy(film, tmp_path / "film.mp4")
    text = film.with_suffix(".srt").read_text()
    assert old in text
    (tmp_path / "film.srt").write_text(text.replace(old, new))
    with pytest.raises(FilmError, match=message):
        check_film(tmp_path / "film.mp4", LIMITS)


@needs_ffmpeg
def test_every_limit_that_is_not_met_is_named(film):
    with pytest.raises(FilmError, match=r"14\.0 s long, expected 240 to 300 s.*MB, expected less"):
        check_film(film, Limits(megabytes=0.001, times=(1,)))


@needs_ffmpeg
def test_a_blank_picture_is_found(tmp_path):
    with writer(tmp_path / "film.mp4", "blank") as write:
        for _ in range(50):
            write(Image.new("RGB", (WIDTH, HEIGHT), "#17202b").tobytes())
    (tmp_path / "film.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nText.\n")
    with pytest.raises(FilmError, match="a blank picture"):
        check_film(tmp_path / "film.mp4", Limits(1, 3, 5, (1,)))


@needs_ffmpeg
@pytest.mark.parametrize("error", [KeyboardInterrupt, FilmError])
def test_an_interrupted_film_leaves_nothing(tmp_path, error):
    def interrupted():
        with writer(tmp_path / "film.mp4", "interrupted") as write:
            write(bytes(3 * WIDTH * HEIGHT))
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@needs_ffmpeg
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_captions_are_spoken_on_request(short_script, footage):
    path = footage.parent / "spoken" / "film.mp4"
    write_film(short_script, footage, path, LIMITS, narrate=True)
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["h264", "aac"]


@pytest.mark.parametrize("shift", ["blur", "noise_large"])
def test_a_shifted_batch_is_the_same_every_time(real_data_dir, tmp_path, monkeypatch, shift):
    import numpy as np

    from demo.batch import write_batch
    from fmnist_lib.data import verified_files

    monkeypatch.setattr(verified_files, "default_cache", lambda: real_data_dir)
    said = write_batch(shift, 60, tmp_path / "a.npz")
    write_batch(shift, 60, tmp_path / "b.npz")
    first, second = (np.load(tmp_path / f"{name}.npz")["images"] for name in "ab")
    assert first.shape == (60, 28, 28)
    assert (first == second).all()
    assert "60 test images" in said
