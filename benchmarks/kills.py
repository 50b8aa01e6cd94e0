"""Kill a quick run at random moments, resume it, and compare the result bit by bit.

python benchmarks/kills.py --kills 50
python benchmarks/kills.py --kills 50 --per-run 5     the resumed run is killed again

Prints a line per kill: the seconds after which all processes of the run got SIGKILL, and the tasks
that ran; at the end the number of runs with the result of an undisturbed one.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from quick_runs import quick_scene, result_of

LIMIT_SECONDS = 900


def main() -> int:
    """Run, kill and resume; return 0 if every result is the same."""
    options = read_options()
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        scene = quick_scene(Path(name))
        data = ["--data-dir", str(options.data_dir)] if options.data_dir else []
        started = time.monotonic()
        expected, _ = finish(scene, ["run", *data])
        seconds = time.monotonic() - started
        print(f"Undisturbed: {seconds:.0f} s, winner {expected['winner']}.")
        draw = random.Random(options.seed)  # noqa: S311 (no secret)
        kills = same = runs = 0
        while kills < options.kills:
            wanted = min(options.per_run, options.kills - kills)
            command, done = kill_repeatedly(scene, ["run", *data], wanted, seconds, draw)
            if not done:
                continue
            kills, runs = kills + done, runs + 1
            got, run_id = finish(scene, command)
            differing = [key for key in expected if expected[key] != got[key]]
            same += not differing
            print(f"  run {run_id}: {differing or 'the same'}", flush=True)
    print(f"{kills} kills; {same} of {runs} runs resumed to the same result.")
    return 0 if same == runs else 1


def read_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--per-run", type=int, default=1, help="Kills of the same run.")
    parser.add_argument("--seed", type=int, default=0, help="Of the moments.")
    parser.add_argument("--data-dir", type=Path, default=None)
    return parser.parse_args()


def kill_repeatedly(scene, command, wanted, seconds, draw):
    """Kill a run, and what resumes it, at random moments.

    Returns
    -------
    tuple of list of str and int
        The command that resumes the run, and the number of kills: a run that ends before its
        moment has none.
    """
    for done in range(wanted):
        run = scene.start("train", *command)
        moment = draw.uniform(0, seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(moment)
            if run.process.returncode != 0:
                raise SystemExit(run.output[-3000:])
            return ["resume", "--origin-run-id", run.id], done
        tasks = {" ".join(words) for words in map(task_of, run.everything()) if words}
        for process in scene.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        run.wait(30)
        found = re.search(r"\(run-id (\d+)\)", run.output)
        print(f"killed after {moment:5.1f} s: {', '.join(sorted(tasks)) or 'no task'}", flush=True)
        if found:
            command = ["resume", "--origin-run-id", found[1]]
    return command, wanted


def task_of(process):
    """Return step and id of a task's process, else None."""
    with contextlib.suppress(Exception):
        words = process.cmdline()
        if "step" in words:
            return words[words.index("step") + 1], words[words.index("--task-id") + 1]
    return None


def finish(scene, command):
    """Run to the end; return the result and the id of the run."""
    run = scene.start("train", *command)
    if run.wait(LIMIT_SECONDS) != 0:
        raise SystemExit(f"{command} failed:\n{run.output[-3000:]}")
    return result_of(scene, run.id), run.id


if __name__ == "__main__":
    raise SystemExit(main())
