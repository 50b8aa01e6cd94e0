"""Delete runs that are no longer needed, and their files; a dry run unless --apply is given.

python flows/cleanup.py
python flows/cleanup.py --keep 20 --apply
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from project import PROJECT_ROOT  # before the packages beside flows/, which it makes importable

from processes.environment import prepare_environment  # isort: skip

prepare_environment(PROJECT_ROOT)

import click  # noqa: E402 (the line above sets what libraries read when they are imported)

from fmnist_lib.commands.options import UserPath, default_config, environment_uri  # noqa: E402
from fmnist_lib.common.deletion import KINDS  # noqa: E402
from fmnist_lib.common.errors import FmnistError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from housekeeping.clean_up import Plan


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of the latest runs of each flow to keep.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Delete; without it, only list.")
@click.option(
    "--min-age",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="HOURS",
    help="Keep everything written within the last HOURS hours.",
)
@click.option(
    "--config",
    type=UserPath(),
    default=default_config,
    show_default="config/train.toml",
    help="TOML or JSON file of training runs: where bundles, cache, spool and MLflow are.",
)
def cleanup(keep: int, is_applied: bool, min_age: float, config: Path) -> None:
    """Delete runs that are no longer needed, and their files.

    Kept are the latest runs, every tagged, registered, promoted and running one, and every run
    that one of them needs: its origin, champion and monitor run. See docs/housekeeping.md.
    """
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.config.training import Settings
    from fmnist_lib.workflows.housekeeping import ProjectFiles
    from housekeeping.clean_up import Housekeeping
    from housekeeping.stored_runs import open_store

    try:
        store = open_store()
        files = ProjectFiles(read_settings(config, Settings), PROJECT_ROOT, environment_uri())
        work = Housekeeping(store, files, keep, min_age)
        click.echo(f"Datastore: {store.root}")
        if is_applied:
            plan, sizes = work.apply()
        else:
            plan = work.plan()
            sizes = plan.sizes
    except FmnistError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"{error.filename}: cannot be read or deleted: {error.strerror}. Fix that, and run the "
            "clean-up again: it continues where this one stopped."
        ) from error
    show_runs(plan, "deleted" if is_applied else "would be deleted")
    show_sizes(sizes, "freed bytes" if is_applied else "bytes to free")
    show_rest(plan, is_applied=is_applied)


def show_runs(plan: Plan, deleted: str) -> None:
    """Print every run, and why it is kept or that it is deleted."""
    for run in plan.runs:
        reason = plan.reasons.get(run.key)
        click.echo(f"  {run.key}  {f'kept: {reason}' if reason else deleted}")
    for run in plan.interrupted:
        click.echo(f"  {run.key}  {deleted}: left over from an interrupted clean-up")
    click.echo(
        f"{len(plan.runs)} runs: {len(plan.reasons)} kept, {len(plan.deleted_runs)} {deleted}."
    )


def show_sizes(sizes: Mapping[str, int], title: str) -> None:
    """Print the bytes of every kind, and their sum."""
    click.echo(f"{'':<18}{title:>20}")
    for kind in KINDS:
        click.echo(f"{kind:<18}{sizes.get(kind, 0):>20,}")
    click.echo(f"{'total':<18}{sum(sizes.values()):>20,}")


def show_rest(plan: Plan, *, is_applied: bool) -> None:
    """Print what is left to do."""
    from housekeeping.clean_up import total

    if plan.is_writing:
        bytes_left = sum(total(plan.blobs).values())
        click.echo(
            f"A run is in progress: {bytes_left:,} bytes of unused artifacts are kept, as it may "
            "reuse them. Run the clean-up again when it has ended."
        )
    if not is_applied:
        click.echo("Nothing has been deleted. Add --apply to delete.")


if __name__ == "__main__":
    cleanup()
