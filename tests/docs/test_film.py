"""Every command that the film shows is run in the scratch checkout, in the order of the film."""

from __future__ import annotations

import shlex
import shutil

import pytest

from demo.scenes import fill, read_script
from tests.docs.test_commands import PREAMBLE, TABLES
from tests.docs.test_names import TARGETS

SCRIPT = read_script()
#: Placeholders of the film, as variables of the test's script.
VALUES = {"run": "$RUN", "other": "$OTHER", "port": "$PORT"}
#: Commands of the last slide: other tests run what they call.
ELSEWHERE = ("make run", "make test", "make demo")


def lines():
    """Return the lines of a script that runs every command once, in the order of the film."""
    seen = set()
    for scene in SCRIPT.scene:
        for shown in scene.shown_commands:
            if shown in seen or shown in ELSEWHERE:
                continue
            seen.add(shown)
            command = fill(shown, VALUES)
            yield f"echo $SECONDS s: {shlex.quote(shown)}"
            yield f"start health {command}\nstop" if command.startswith("mlflow ui") else command
            if scene.keep and "train.py" in command:
                yield f'{scene.keep.upper()}="$(latest FashionMnistTrain)"'


@pytest.mark.slow
@pytest.mark.long
def test_the_commands_of_the_film_run_as_shown(checkout):
    quick = checkout.root / "config" / "quick.toml"
    kept = quick.read_text()
    # The scratch checkout's own configuration has a tiny search; tests/flows runs the film's.
    shutil.copy2(checkout.root / "config" / "train.toml", quick)
    shutil.rmtree(checkout.root / "page", ignore_errors=True)
    try:
        done = checkout.bash("\n".join([PREAMBLE, *lines()]))
    finally:
        quick.write_text(kept)
        shutil.rmtree(checkout.root / "page", ignore_errors=True)
    assert done.returncode == 0, done.stdout[-8000:]


def test_the_commands_of_the_last_slide_are_targets_that_other_tests_run():
    slides = [command for scene in SCRIPT.scene if scene.slide for command in scene.slide.commands]
    assert set(slides) == set(ELSEWHERE)
    assert {command.removeprefix("make ") for command in ELSEWHERE} <= TARGETS
    assert {"make run", "make test"} <= set(TABLES["not_run"])
