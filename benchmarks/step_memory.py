"""Peak memory of every step of a training run: what a pod or a job has to request.

python benchmarks/step_memory.py [OPTIONS OF THE RUN ...]

Runs `flows/train.py run` with the options, and measures each task with all its processes (PSS,
twice a second). A step of several tasks counts the largest of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress

import psutil
from limited_process import ROOT, SAMPLING_SECONDS, memory_of


def main() -> None:
    """Run, and print one line a step."""
    command = [sys.executable, str(ROOT / "flows" / "train.py"), "run", *sys.argv[1:]]
    process = subprocess.Popen(command)
    peaks: dict[str, int] = defaultdict(int)
    while process.poll() is None:
        for step, size in task_sizes(psutil.Process(process.pid)):
            peaks[step] = max(peaks[step], size)
        time.sleep(SAMPLING_SECONDS)
    print("\n| step | peak GiB of a task |\n|---|---|")
    for step, size in peaks.items():
        print(f"| {step} | {size / 2**30:.2f} |")
    raise SystemExit(process.returncode)


def task_sizes(run: psutil.Process) -> list[tuple[str, int]]:
    """Return step and bytes of every task that is running."""
    found = []
    with suppress(psutil.Error):
        for task in run.children():
            with suppress(psutil.Error, ValueError):
                words = task.cmdline()
                step = words[words.index("step") + 1]
                found.append((step, memory_of([task, *task.children(recursive=True)])))
    return found


if __name__ == "__main__":
    main()
