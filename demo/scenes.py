"""The script of the film, ``scenes.toml``: its scenes, commands, captions and durations."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, ValidationError, model_validator

from demo.errors import FilmError
from demo.layout import caption_lines
from fmnist_lib.config.base import List, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = Path(__file__).with_name("scenes.toml")


class Caption(Section):
    """A caption, and the part of the page it is about.

    Attributes
    ----------
    text : str
        At most two lines. ``{speed}`` and other values are filled in.
    seconds : float
        A multiple of 0.25, which is a whole number of frames.
    seek : str
        Regular expression of the heading to scroll to, ignoring case; empty: stay.
    onward : float
        Share of the picture's height to scroll if no heading matches.
    """

    text: str
    seconds: Annotated[float, Field(gt=0, multiple_of=0.25)]
    seek: str = ""
    onward: float = 0.8


class Slide(Section):
    """A title slide.

    Attributes
    ----------
    title, text : str
    points : tuple of str
    diagram : tuple of tuples of str
        Columns of a diagram, each with the boxes below each other, ``name: explanation``.
    picture : str
        Path of a picture in the checkout; empty: none.
    commands : tuple of str
        Shown, not run while filming; a test runs them.
    """

    title: str
    text: str = ""
    points: Annotated[tuple[str, ...], List] = ()
    diagram: Annotated[tuple[Annotated[tuple[str, ...], List], ...], List] = ()
    picture: str = ""
    commands: Annotated[tuple[str, ...], List] = ()


class Scene(Section):
    """A scene: a slide, commands in a terminal, a card, a page, or a page of MLflow.

    Attributes
    ----------
    name : str
        Label above the captions.
    audience : str
        Reader to whom the scene matters most; empty: everyone.
    slide : Slide, optional
    commands : tuple of str
        Typed and run in a terminal.
    keep : str
        Name under which later scenes find the training run that the commands started.
    card : str
        Id of a card of the latest run.
    flow : str
        Flow of the card.
    page : str
        Path of an HTML file in the checkout.
    width : int
        Width of the window for a card or a page, in pixels of the page: smaller is larger print.
    mlflow : str
        Address within MLflow's user interface.
    wait : str
        CSS selector of an element without which MLflow's page is not complete.
    click : tuple of str
        CSS selectors of what is clicked before the picture is taken.
    shows : str
        Command shown above the page.
    captions : tuple of Caption
    """

    name: str
    audience: str = ""
    slide: Slide | None = None
    commands: Annotated[tuple[str, ...], List] = ()
    keep: str = ""
    card: str = ""
    flow: str = "FashionMnistTrain"
    page: str = ""
    width: Annotated[int, Field(ge=320, le=1280)] = 1024
    mlflow: str = ""
    wait: str = "body"
    click: Annotated[tuple[str, ...], List] = ()
    shows: str = ""
    captions: Annotated[tuple[Caption, ...], List, Field(min_length=1)]

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("slide", "commands", "card", "page", "mlflow")
        given = [kind for kind in kinds if getattr(self, kind)]
        if len(given) != 1:
            raise ValueError(f"expected one of {', '.join(kinds)}, got {given or 'none'}")
        return self

    @property
    def label(self) -> str:
        """Label above the captions."""
        return f"{self.name}  ·  for {self.audience}" if self.audience else self.name

    @property
    def seconds(self) -> float:
        """Duration: that of its captions."""
        return sum(caption.seconds for caption in self.captions)

    @property
    def shown_commands(self) -> tuple[str, ...]:
        """Every command that the scene shows, run or not."""
        listed = self.slide.commands if self.slide else ()
        return (*self.commands, *listed, *((self.shows,) if self.shows else ()))


class Script(Section):
    """The whole film.

    Attributes
    ----------
    title : str
        Metadata of the file.
    poster : tuple of str
        Names of the four scenes on the poster; empty: no poster.
    scene : tuple of Scene
    """

    title: str
    poster: Annotated[tuple[str, ...], List] = ()
    scene: Annotated[tuple[Scene, ...], List]


@dataclass(frozen=True)
class Cue:
    """A caption with its place in the film.

    Attributes
    ----------
    start, end : float
        Seconds since the start of the film.
    text, label : str
        The caption with its values, and the label above it.
    """

    start: float
    end: float
    text: str
    label: str


def read_script(path: Path = SCRIPT) -> Script:
    """Read and check a script.

    Raises
    ------
    FilmError
        A key or a value is wrong.
    """
    try:
        return Script.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise FilmError(f"{path}: {error}") from None


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its ``{name}`` replaced by values; unknown names stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def subtitles(cues: list[Cue]) -> str:
    """Return the captions as a SubRip file."""
    blocks = [
        f"{number}\n{_clock(cue.start)} --> {_clock(cue.end)}\n"
        + "\n".join(caption_lines(cue.text))
        + "\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def read_subtitles(text: str) -> list[Cue]:
    """Return the captions of a SubRip file that `subtitles` wrote."""
    cues = []
    for block in text.strip().split("\n\n"):
        _, times, *lines = block.splitlines()
        start, _, end = times.partition(" --> ")
        cues.append(Cue(_seconds(start), _seconds(end), " ".join(lines), ""))
    return cues


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return (
        f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"
    )


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
