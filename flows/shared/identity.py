"""Identity of the running flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.common.run_report import RunIdentity


def this_run() -> str:
    """Return the address of this run for the Client API, ``Flow/run``."""
    from metaflow import current

    return f"{current.flow_name}/{current.run_id}"


def run_identity(root: Path, computed_in: str | None = None) -> RunIdentity:
    """Return the identity of this run, with the Git commit of the checkout ``root``.

    On a worker it is the commit that the code package was made from. ``computed_in`` is the run
    that computed what this one logs, if it resumes another.
    """
    from metaflow import current

    from fmnist_lib.common.run_report import RunIdentity
    from fmnist_lib.registry.run_environment import git_commit

    return RunIdentity(
        flow=current.flow_name,
        run_id=current.run_id,
        pathspec=current.pathspec,
        user=current.username,
        git_commit=git_commit(root) or packaged_commit(),
        computed_in=computed_in,
    )


def packaged_commit() -> str | None:
    """Return the commit in the code package's description; None outside a package."""
    from metaflow.packaging_sys import MetaflowCodeContent

    package = MetaflowCodeContent.get_info() or {}
    commit = package.get("commit_sha")
    return f"{commit}-dirty" if commit and package.get("has_uncommitted_changes") else commit
