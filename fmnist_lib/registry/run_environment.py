"""Source, packages and machine of a run."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def git_commit(root: Path) -> str | None:
    """Return the commit a directory is at, with "-dirty" when files differ; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603 (fixed words)
            command, cwd=root, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def environment() -> dict[str, Any]:
    """Return Python, machine and the version of every installed package."""
    import psutil

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "packages": {
            one.metadata["Name"]: one.version
            for one in sorted(distributions(), key=lambda one: str(one.metadata["Name"]).lower())
        },
    }


def system_metrics() -> dict[str, float]:
    """Return the machine's load and the resources that this process and its children have used.

    The first three are named as MLflow names them, so that its page of system metrics shows them.
    """
    import psutil

    memory, disk = psutil.virtual_memory(), psutil.disk_usage(".")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    # Kilobytes, but bytes on macOS.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return {
        "cpu_utilization_percentage": psutil.cpu_percent(interval=0.1),
        "system_memory_usage_megabytes": memory.used / 1e6,
        "disk_usage_percentage": disk.percent,
        "peak_memory_megabytes": max(one.ru_maxrss for one in used) / unit,
        "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used),
    }
