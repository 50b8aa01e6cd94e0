"""Recording a command, replaying it, and the screen that it draws."""

from __future__ import annotations

import os

import pytest

from demo.errors import FilmError
from demo.layout import PICTURE, WIDTH
from demo.screen import Screen, draw
from demo.terminal import PROMPT, Recording, record, replay


def screen(text, **size):
    shown = Screen(**size)
    shown.feed(text)
    return shown


def test_a_screen_shows_the_last_rows_and_wraps_long_lines():
    assert screen("abcdef\r\ngh", columns=4, rows=2).lines == ["ef", "gh"]
    assert screen("1\r\n2\r\n3\r\n", rows=3).lines == ["2", "3", ""]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("50 %\r100 %", ["100 %"]),
        ("long line\r\x1b[Knew", ["new"]),
        ("a\r\nb\r\n\x1b[2Ac", ["c", "b", ""]),
        ("old\x1b[2Jnew", ["new"]),
        ("\x1b]0;title\x07text\x1b[?25l", ["text"]),
        ("ab\bc\td", ["ac      d"]),
    ],
)
def test_a_screen_obeys_what_programs_print(text, lines):
    assert screen(text).lines == lines


def test_colours_and_bold_type_are_kept_until_they_are_reset():
    (row,) = screen("\x1b[1;32mgood\x1b[22m!\x1b[0m.").rows
    styles = [style for _, style in row]
    assert styles[0] == styles[3]
    assert styles[0].bold
    assert not styles[4].bold
    assert styles[4].colour == styles[0].colour != styles[5].colour


def test_a_screen_is_drawn_in_the_size_of_the_film():
    picture = draw(screen("text"), "0:10 real time, 2x")
    assert picture.size == (WIDTH, PICTURE)
    assert len(picture.getcolors(100_000)) > 10


def test_a_recording_has_the_output_with_its_times(tmp_path):
    command = "echo first; sleep 0.5; test -t 1 && echo terminal"
    done = record(command, tmp_path, os.environ)
    assert "".join(text for _, text in done.events) == "first\r\nterminal\r\n"
    assert done.events[-1][0] - done.events[0][0] > 0.4
    done.write(tmp_path / "one.cast")
    assert Recording.read(tmp_path / "one.cast") == done


def test_a_command_that_fails_is_an_error_with_its_output(tmp_path):
    with pytest.raises(FilmError, match=r"(?s)exit code 0, got 3.*reason"):
        record("echo reason; exit 3", tmp_path, os.environ)


def test_a_command_without_an_end_is_ended(tmp_path):
    with pytest.raises(FilmError, match="expected an end within 1 s"):
        record("sleep 60", tmp_path, os.environ, limit=1.0)


def test_a_long_command_is_replayed_faster_and_a_short_one_as_it_was():
    long = Recording("long", [(10.0, "a"), (50.0, "b")], 60.0)
    shown = replay([long], 20.0)
    assert 60 / 20 < shown.speed < 60 / 14
    assert shown.events[-1][0] < 20.0
    assert shown.events[-1][1] == PROMPT
    start, end = shown.spans[0]
    assert shown.elapsed(start - 0.1) is None
    assert shown.elapsed(end - 0.01) == pytest.approx(60.0, abs=0.1)
    assert replay([Recording("ls", [(0.1, "a")], 0.2)], 20.0).speed == 1.0
