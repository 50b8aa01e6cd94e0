"""Run the quick configuration three times, differently each time, and compare every bit.

python benchmarks/determinism.py

The runs differ in workers, working directory, user, hash seed and cache. Prints the hash of the
test predictions, and of the data and the model in the bundle, per run.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from quick_runs import quick_scene, result_of

LIMIT_SECONDS = 900
#: Workers, user name and seed of Python's hashes, per run.
RUNS = ((2, "first", "0"), (1, "second", "1"), (2, "third", "random"))


def main() -> int:
    """Run, print the hashes, and return 0 if they are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=None)
    options = parser.parse_args()
    data = ["--data-dir", str(options.data_dir)] if options.data_dir else []
    found = []
    for workers, user, seed in RUNS:
        with tempfile.TemporaryDirectory(prefix=f"determinism-{user}-") as name:
            scene = quick_scene(Path(name), workers)
            scene.extra.update(
                PYTHONHASHSEED=seed, METAFLOW_USER=user, USER=user, HOME=str(scene.control)
            )
            run = scene.start("train", "run", *data)
            if run.wait(LIMIT_SECONDS) != 0:
                raise SystemExit(run.output[-3000:])
            result = result_of(scene, run.id)
        found.append(result)
        board = hashlib.sha256(result["leaderboard"].encode()).hexdigest()
        print(f"{workers} workers, user {user}, PYTHONHASHSEED={seed}: winner {result['winner']}")
        print(f"  predictions      {result['predictions']}")
        print(f"  data and model   {result['data and model of the bundle']}")
        print(f"  leaderboard      {board}", flush=True)
    same = all(result == found[0] for result in found)
    print("The same." if same else "They differ.")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
