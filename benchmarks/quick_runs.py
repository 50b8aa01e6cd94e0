"""Quick runs of the training flow in directories of their own, and their results as hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from scene import Scene  # noqa: E402 (as above)

QUICK = ROOT / "config" / "quick.toml"


def quick_scene(directory: Path, workers: int | None = None) -> Scene:
    """Return a scene whose runs keep everything in a directory, which may be new.

    Parameters
    ----------
    directory : Path
    workers : int, optional
        Candidates searched at the same time; default: one per core.
    """
    disk, control = directory / "disk", directory / "control"
    disk.mkdir(parents=True, exist_ok=True)
    control.mkdir(exist_ok=True)
    search = f'[search]\ncache = "{disk}/cache"\n' + (f"workers = {workers}\n" if workers else "")
    config = control / "quick.toml"
    config.write_text(
        QUICK.read_text().replace("[search]\n", search)
        + f'\n[release]\ndirectory = "{disk}/bundles"\n[tracking]\nspool = "{disk}/spool"\n'
    )
    return Scene(disk, control, {"train": config})


def result_of(scene: Scene, run_id: str) -> dict[str, str]:
    """Return what two runs must have in common; see `tests/faults/results.py`."""
    # In a process of its own: Metaflow's Client keeps the datastore that it opened first.
    found = subprocess.run(
        [sys.executable, __file__, run_id],
        env=os.environ | {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(scene.disk)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, str] = json.loads(found.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    import results

    print(json.dumps(results.read("train", sys.argv[1])))
