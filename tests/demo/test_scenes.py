"""The script of the film: its length, its captions, and messages about mistakes in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demo.check import Limits
from demo.errors import FilmError
from demo.layout import LINES, WIDTH, caption_lines, font
from demo.scenes import Cue, fill, read_script, read_subtitles, subtitles

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = read_script()
#: Characters per second that a viewer reads, and the seconds to look at the picture besides.
READING_SPEED, LOOKING_SECONDS = 20.0, 1.0
READERS = {"", "the ML engineer", "the data scientist", "the reviewer", "the operator"}


def test_the_film_has_its_length():
    seconds = sum(scene.seconds for scene in SCRIPT.scene)
    assert Limits().shortest <= seconds <= Limits().longest


@pytest.mark.parametrize("scene", SCRIPT.scene, ids=lambda scene: scene.name)
def test_captions_fit_and_are_shown_long_enough_to_be_read(scene):
    assert scene.audience in READERS
    for caption in scene.captions:
        text = fill(caption.text, {"speed": "10.5"})
        lines = caption_lines(text)
        assert len(lines) <= LINES, text
        assert caption.seconds >= LOOKING_SECONDS + len(text) / READING_SPEED, text
        for line in lines:
            assert len(line) <= 90
            assert font(25).getlength(line) < WIDTH - 64, line


def test_the_accuracy_on_the_last_slides_is_the_measured_one():
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    default = page.partition("**The default run.**")[2]
    measured = re.search(
        r"test accuracy was (0\.\d{4}) \(95 % interval (0\.\d{4}) to\s(0\.\d{4})\)", default
    )
    assert measured
    accuracy, low, high = (f"{float(number):.3f}" for number in measured.groups())
    (slide,) = [one.slide for one in SCRIPT.scene if one.name == "Result"]
    assert f"Test accuracy {accuracy} " in slide.title
    assert f"95 % interval {low} to {high};" in slide.points[0]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"test accuracy is {accuracy} (95 % interval {low} to {high}, one run)" in readme


def test_pictures_and_posters_exist():
    pictures = [scene.slide.picture for scene in SCRIPT.scene if scene.slide]
    assert all((ROOT / picture).exists() for picture in pictures)
    assert set(SCRIPT.poster) <= {scene.name for scene in SCRIPT.scene}
    assert (ROOT / "docs" / "pictures" / "poster.png").stat().st_size < 150_000


def test_captions_go_through_a_subtitle_file():
    cues = [Cue(0.0, 2.5, "One.", ""), Cue(2.5, 3605.04, "A caption " * 10 + "end", "")]
    text = subtitles(cues)
    assert "00:00:02,500 --> 01:00:05,040" in text
    assert read_subtitles(text) == cues


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = 1", "title"),
        ('title = "x"\nscene = [{name = "a", captions = []}]', "captions"),
        ('title = "x"\n[[scene]]\nname = "a"\ncaptions = [{text = "b", seconds = 1}]', "one of"),
        ("title", "scenes.toml"),
        ('title = "x"\n[[scene]]\nname = "a"\ncaptions = [{text = "b", seconds = 1.1}]', "0.25"),
    ],
)
def test_a_mistake_in_the_script_is_named(tmp_path, text, message):
    (tmp_path / "scenes.toml").write_text(text)
    with pytest.raises(FilmError, match=message):
        read_script(tmp_path / "scenes.toml")
