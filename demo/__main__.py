"""Make the film of the project: ``python -m demo``; see README."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from demo.errors import FilmError
from fmnist_lib.commands.main import CommandLine
from fmnist_lib.commands.options import UserPath
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.config.drift import ShiftName

DIRECTORY = PROJECT_ROOT / "dist"
FILM, WORK = DIRECTORY / "fmnist-flow.mp4", DIRECTORY / "demo-work"


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--redraw", is_flag=True, help="Draw the film again from the last shooting.")
@click.option("--narrate", is_flag=True, help="Speak the captions (needs espeak-ng).")
@click.pass_context
def demo(context: click.Context, redraw: bool, narrate: bool) -> None:
    """Make the film: run its commands in a clone, shoot them, draw the frames, check the file."""
    if context.invoked_subcommand is None:
        make_film(redraw, narrate)


def make_film(redraw: bool = False, narrate: bool = False) -> None:
    """Write the film, its captions and its poster into ``dist/``.

    Raises
    ------
    FilmError
        A program is missing, a command failed, or the film does not meet its limits.
    """
    from demo.film import write_film
    from demo.scenes import read_script
    from demo.shoot import shoot
    from demo.video import require_tools
    from demo.workspace import changed_files, make_workspace

    start = time.monotonic()
    require_tools(narrate)
    script = read_script()
    footage = WORK / "footage"
    if not redraw:
        if changed := changed_files(PROJECT_ROOT):
            click.echo(f"Not committed, so not in the film: {short_list(changed)}.")
        shoot(script, make_workspace(PROJECT_ROOT, WORK), footage, click.echo)
    elif not footage.is_dir():
        raise FilmError(f"{footage}: expected the last shooting, found none. Leave out --redraw.")
    for line in write_film(script, footage, FILM, narrate=narrate):
        click.echo(line)
    click.echo(f"made in {time.monotonic() - start:.0f} s")


@demo.command()
@click.argument("film", type=UserPath(), default=FILM)
def check(film: Path) -> None:
    """Check length and size of FILM, and ten frames against their captions."""
    from demo.check import check_film

    for line in check_film(film):
        click.echo(line)


@demo.command()
@click.option("--shift", required=True, help="Name in the shift catalogue, such as blur.")
@click.option("--images", default=1000, show_default=True, type=click.IntRange(min=1))
@click.option("--out", type=UserPath(), required=True, help="The batch, an .npz file.")
def batch(shift: ShiftName, images: int, out: Path) -> None:
    """Write test images with a simulated shift, for the monitor to find."""
    from demo.batch import write_batch
    from fmnist_lib.drift.shifts.catalogue import SHIFTS

    if shift not in SHIFTS:
        raise FilmError(f"--shift: expected one of {', '.join(SHIFTS)}, got {shift}.")
    click.echo(write_batch(shift, images, out))


if __name__ == "__main__":
    demo()
