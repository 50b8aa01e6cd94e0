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
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
SAMPLING_SECONDS = 0.5


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
                found.append((step, size_of([task, *task.children(recursive=True)])))
    return found


def size_of(processes: list[psutil.Process]) -> int:
    """Return the bytes of processes; pages that they share are counted once."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total


if __name__ == "__main__":
    main()
