"""Draw the frames of the film from what was shot."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from PIL import Image

from demo.layout import (
    FRAMES_PER_SECOND,
    HEADER,
    HEIGHT,
    PICTURE,
    WIDTH,
    caption_bar,
    header,
)
from demo.scenes import Cue, fill
from demo.screen import Screen, draw
from demo.shoot import VALUES
from demo.terminal import Recording, Replay, replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.scenes import Caption, Scene, Script

#: Frames of a cross-fade between scenes; fastest scrolling in pixels per second.
FADE, SCROLL_SPEED = 8, 1800.0
#: Replay speeds from here on are shown without a decimal.
WHOLE_SPEED = 3.0
#: Pixels above a heading that stay visible.
_MARGIN = 24


class Footage:
    """Recordings and pictures of every scene.

    Parameters
    ----------
    script : Script
    directory : Path
        Written by `demo.shoot.shoot`.
    """

    def __init__(self, script: Script, directory: Path) -> None:
        self.directory = directory
        self.values: dict[str, str] = json.loads((directory / VALUES).read_text())
        self.scenes = list(enumerate(script.scene))

    def replay(self, number: int, scene: Scene) -> Replay:
        """Return the replay of a scene in a terminal."""
        files = [self.directory / f"{number:02}-{n}.cast" for n in range(len(scene.commands))]
        return replay([Recording.read(file) for file in files], scene.seconds)

    def cues(self) -> list[Cue]:
        """Return every caption with its place in the film."""
        cues, now = [], 0.0
        for number, scene in self.scenes:
            values = self.values
            if scene.commands:
                values = values | {"speed": _rounded(self.replay(number, scene).speed)}
            for caption in scene.captions:
                text = fill(caption.text, values)
                cues.append(Cue(now, now + caption.seconds, text, scene.label))
                now += caption.seconds
        return cues

    def pictures(self) -> Iterator[Image.Image]:
        """Yield the picture of every frame, without captions; the same object if unchanged."""
        last = None
        for number, scene in self.scenes:
            frames = self._terminal if scene.commands else self._page
            for frame, picture in enumerate(frames(number, scene)):
                if last is not None and frame < FADE:
                    yield Image.blend(last, picture, (frame + 1) / (FADE + 1))
                else:
                    yield picture
            last = picture

    def _terminal(self, number: int, scene: Scene) -> Iterator[Image.Image]:
        run = self.replay(number, scene)
        screen, position, before, picture = Screen(), 0, "", draw(Screen())
        for frame in range(_frames(scene.seconds)):
            now = frame / FRAMES_PER_SECOND
            changed = False
            while position < len(run.events) and run.events[position][0] <= now:
                screen.feed(run.events[position][1])
                position, changed = position + 1, True
            elapsed = run.elapsed(now)
            text = "" if elapsed is None else f"{_clock(elapsed)} real time, {_rounded(run.speed)}x"
            if changed or text != before:
                picture, before = draw(screen, text), text
            yield picture

    def _page(self, number: int, scene: Scene) -> Iterator[Image.Image]:
        page = Image.open(self.directory / f"{number:02}.png").convert("RGB")
        if scene.slide:
            for _ in range(_frames(scene.seconds)):
                yield page
            return
        headings = json.loads((self.directory / f"{number:02}.json").read_text())
        top = header(fill(scene.shows, self.values))
        place, picture = -1, page
        for wanted in _places(scene.captions, headings, page.height):
            if wanted != place:
                place = wanted
                picture = Image.new("RGB", (WIDTH, PICTURE), "#ffffff")
                picture.paste(page.crop((0, place, WIDTH, place + PICTURE - HEADER)), (0, HEADER))
                picture.paste(top, (0, 0))
            yield picture


def frames(footage: Footage) -> Iterator[bytes]:
    """Yield the frames of the film as RGB bytes, with the captions burnt in."""
    cues = iter(footage.cues())
    cue = next(cues)
    before: tuple[Image.Image, Cue] | None = None
    content = b""
    for number, picture in enumerate(footage.pictures()):
        while number / FRAMES_PER_SECOND >= cue.end - 1e-6:
            cue = next(cues, cue)
        if before is None or before[0] is not picture or before[1] is not cue:
            frame = Image.new("RGB", (WIDTH, HEIGHT))
            frame.paste(picture, (0, 0))
            frame.paste(caption_bar(cue.text, cue.label), (0, PICTURE))
            content, before = frame.tobytes(), (picture, cue)
        yield content


def _places(
    captions: tuple[Caption, ...], headings: list[tuple[str, float]], height: int
) -> Iterator[int]:
    """Yield, for every frame, the distance of the visible part from the top of the page."""
    lowest = max(0, height - (PICTURE - HEADER))
    place = 0.0
    for number, caption in enumerate(captions):
        start = place
        wanted = _seek(caption, headings, start) if number or caption.seek else 0.0
        wanted = min(max(0.0, wanted), lowest)
        moving = 0.8 + abs(wanted - start) / SCROLL_SPEED
        for frame in range(_frames(caption.seconds)):
            share = min(1.0, frame / FRAMES_PER_SECOND / min(moving, caption.seconds / 2))
            place = start + (wanted - start) * share * share * (3 - 2 * share)
            yield round(place)
        place = wanted


def _seek(caption: Caption, headings: list[tuple[str, float]], start: float) -> float:
    """Return the place of the first heading below that a caption seeks."""
    if caption.seek:
        for text, top in headings:
            if top > start + _MARGIN and re.search(caption.seek, text, re.IGNORECASE):
                return top - _MARGIN
    return start + caption.onward * (PICTURE - HEADER)


def _frames(seconds: float) -> int:
    return round(seconds * FRAMES_PER_SECOND)


def _rounded(speed: float) -> str:
    """Return a speed with at most one decimal."""
    return f"{speed:.0f}" if speed >= WHOLE_SPEED else f"{speed:.1f}".removesuffix(".0")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
