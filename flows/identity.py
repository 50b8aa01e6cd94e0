"""Identity of the running flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.common.run_report import RunIdentity


def run_identity(root: Path) -> RunIdentity:
    """Return the identity of this run, with the Git commit of the checkout ``root``."""
    from metaflow import current

    from fmnist_lib.common.run_report import RunIdentity
    from fmnist_lib.registry.run_environment import git_commit

    return RunIdentity(
        flow=current.flow_name,
        run_id=current.run_id,
        pathspec=current.pathspec,
        user=current.username,
        git_commit=git_commit(root),
    )
