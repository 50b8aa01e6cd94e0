"""Shoot the scenes: run their commands, take pictures of their pages, keep both as files."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.browser import Browser
from demo.errors import FilmError
from demo.layout import HEADER, PICTURE, WIDTH
from demo.scenes import fill
from demo.terminal import record
from demo.workspace import experiment_id, server

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.scenes import Scene, Script
    from demo.workspace import Workspace

_HERE = Path(__file__).parent
#: Size of MLflow's window in pixels of the page.
MLFLOW_WIDTH, MLFLOW_HEIGHT = 1160, 1160
VALUES = "values.json"
#: MLflow's assistant covers a part of the page unless it was closed before.
_CLOSE_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


@dataclass
class Shooting:
    """The state of the shooting.

    Attributes
    ----------
    workspace : Workspace
    footage : Path
        Directory for what the scenes are drawn from: recordings and pictures.
    values : dict of str to str
        Values that later commands and captions use: ids of runs, figures.
    servers : ExitStack
        Ends MLflow's server.
    """

    workspace: Workspace
    footage: Path
    servers: ExitStack
    values: dict[str, str] = field(default_factory=dict)
    mlflow: str = ""


def shoot(
    script: Script, workspace: Workspace, footage: Path, report: Callable[[str], None]
) -> None:
    """Run the commands of a script in order, and take the pictures of its pages.

    Parameters
    ----------
    script : Script
    workspace : Workspace
    footage : Path
        New directory for recordings and pictures.
    report : callable
        Receives a line per scene.

    Raises
    ------
    FilmError
        A command failed, or a page does not exist.
    """
    footage.mkdir(parents=True)
    start = time.monotonic()
    with ExitStack() as servers:
        shooting = Shooting(workspace, footage, servers, {"port": str(workspace.port)})
        for number, scene in enumerate(script.scene):
            report(f"{time.monotonic() - start:4.0f} s  scene {number + 1}: {scene.name}")
            if scene.commands:
                _commands(shooting, scene, number)
            elif scene.mlflow:
                _mlflow(shooting, scene, number)
            elif scene.slide:
                _slide(shooting, scene, number)
            else:
                _page(shooting, scene, number)
    (footage / VALUES).write_text(json.dumps(shooting.values), encoding="utf-8")


def _commands(shooting: Shooting, scene: Scene, number: int) -> None:
    workspace = shooting.workspace
    for index, command in enumerate(scene.commands):
        # A command may name the run that an earlier command of the scene started.
        done = record(fill(command, shooting.values), workspace.root, workspace.environment)
        done.write(shooting.footage / f"{number:02}-{index}.cast")
        if scene.keep and "train.py" in command:
            shooting.values[scene.keep] = workspace.latest_run("FashionMnistTrain")
    report = workspace.root / "page" / "report.json"
    if report.is_file():
        found = json.loads(report.read_text())["test"]["accuracy"]
        low, high = found["low"], found["high"]
        shooting.values["accuracy"] = f"{found['value']:.3f} (95 % CI {low:.3f} to {high:.3f})"


def _slide(shooting: Shooting, scene: Scene, number: int) -> None:
    assert scene.slide is not None  # noqa: S101 (the caller's branch)
    environment = Environment(
        autoescape=True, loader=FileSystemLoader(_HERE), undefined=StrictUndefined
    )
    picture = shooting.workspace.root / scene.slide.picture
    page = environment.get_template("slide.html").render(
        slide=scene.slide,
        points=[fill(point, shooting.values) for point in scene.slide.points],
        picture=picture.as_uri() if scene.slide.picture else "",
    )
    file = shooting.footage / f"{number:02}.html"
    file.write_text(page, encoding="utf-8")
    with Browser(WIDTH, PICTURE) as browser:
        browser.open(file.as_uri(), settle_seconds=0.5)
        browser.take(file.with_suffix(".png"), whole=False)


def _page(shooting: Shooting, scene: Scene, number: int) -> None:
    page = _card(shooting, scene) if scene.card else shooting.workspace.root / scene.page
    if not page.is_file():
        wanted = f"the card {scene.card}" if scene.card else scene.page
        raise FilmError(
            f"{scene.name}: expected {wanted}, got none. Name another one in demo/scenes.toml."
        )
    scale = WIDTH / scene.width
    with Browser(scene.width, int((PICTURE - HEADER) / scale), scale) as browser:
        browser.open(page.as_uri())
        _keep(shooting, browser, number, whole=True)


def _card(shooting: Shooting, scene: Scene) -> Path:
    """Return the path of the scene's card; there is no file if the latest run has no such card."""
    run = shooting.workspace.latest_run(scene.flow)
    directory = shooting.footage / f"cards-{scene.flow}-{run}"
    if not directory.exists():
        program = str(_HERE / "run_cards.py")
        shooting.workspace.output(sys.executable, program, scene.flow, str(directory))
    return directory / f"{scene.card}.html"


def _mlflow(shooting: Shooting, scene: Scene, number: int) -> None:
    if not shooting.mlflow:
        command = fill(scene.shows, shooting.values)
        shooting.mlflow = shooting.servers.enter_context(server(shooting.workspace, command))
        shooting.values["experiment"] = experiment_id(shooting.mlflow)
    with Browser(MLFLOW_WIDTH, MLFLOW_HEIGHT, WIDTH / MLFLOW_WIDTH) as browser:
        browser.call("Page.enable")
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=_CLOSE_ASSISTANT)
        browser.open(shooting.mlflow + fill(scene.mlflow, shooting.values))
        browser.wait_for(scene.wait)
        for selector in scene.click:
            browser.click(selector)
            time.sleep(1.5)
        _keep(shooting, browser, number, whole=False)


def _keep(shooting: Shooting, browser: Browser, number: int, whole: bool) -> None:
    """Write the picture of a page and the places of its headings."""
    picture = shooting.footage / f"{number:02}.png"
    browser.take(picture, whole)
    picture.with_suffix(".json").write_text(json.dumps(browser.headings()), encoding="utf-8")
