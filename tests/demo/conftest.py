"""A short script of every kind of scene that needs no run."""

from __future__ import annotations

import pytest

from demo.scenes import read_script

SCRIPT = """
title = "A short film"
[[scene]]
name = "Slide"
[scene.slide]
title = "Title of the slide"
points = ["one point"]
[[scene.captions]]
text = "A slide with a title and one point."
seconds = 3
[[scene]]
name = "Terminal"
commands = [
    "echo first; sleep 3; echo second",
    "mkdir -p page; cp ../page.html page/index.html",
]
[[scene.captions]]
text = "Waiting is shown at {speed} times the speed."
seconds = 6
[[scene]]
name = "Page"
page = "page/index.html"
shows = "python -m cards page"
[[scene.captions]]
text = "The top of a page."
seconds = 2.5
[[scene.captions]]
text = "The heading that the caption is about."
seek = "^second"
seconds = 2.5
"""


@pytest.fixture(scope="session")
def short_script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "scenes.toml"
    path.write_text(SCRIPT)
    return read_script(path)
