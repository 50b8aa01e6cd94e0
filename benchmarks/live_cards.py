"""Processor time of every card that a run creates, and how long the run waits for them.

python benchmarks/live_cards.py COMMAND...

Starts the command, such as `python flows/train.py run`, and watches the processes with which
Metaflow renders and stores cards. A card that is updated while its step runs is created several
times: the most expensive time counts, and the run waits only for the last. What the step itself
does for its card, charts and tables, is not in it.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass

import psutil

_POLL_SECONDS = 0.02


@dataclass
class Creation:
    """One process that created a card."""

    step: str
    updates: bool
    started: float
    ended: float = 0.0
    seconds: float = 0.0


def main() -> None:
    """Print a line per step, then the share of the wall time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    began = time.time()
    run = subprocess.Popen([options.program, *options.arguments])
    seen = watch(run)
    wall = time.time() - began
    by_step = defaultdict(list)
    for creation in seen:
        by_step[creation.step].append(creation)
    print("\n| step | cards created | most processor seconds | seconds the run waited |")
    print("|---|---|---|---|")
    for step, creations in by_step.items():
        last = [one.ended - one.started for one in creations if not one.updates]
        most = max(one.seconds for one in creations)
        print(f"| {step} | {len(creations)} | {most:.1f} | {max(last, default=0):.1f} |")
    waited = sum(one.ended - one.started for one in seen if not one.updates)
    processor = sum(one.seconds for one in seen)
    print(
        f"\nwall {wall:.0f} s; waited for cards {waited:.0f} s ({waited / wall:.1%}), tasks that "
        f"run side by side added up; processor time of all of them {processor:.0f} s"
    )


def watch(run: subprocess.Popen[bytes]) -> list[Creation]:
    """Follow the processes that create cards until the run has ended."""
    found: dict[int, Creation] = {}
    others: set[int] = set()
    while run.poll() is None:
        pids = set(psutil.pids()) - others
        for pid in pids:
            try:
                process = psutil.Process(pid)
                if pid not in found:
                    words = process.cmdline()
                    if not ("card" in words and "create" in words):
                        # A process that has just been forked still has its parent's arguments.
                        if time.time() - process.create_time() > 1:
                            others.add(pid)
                        continue
                    step = words[words.index("create") + 1].split("/")[1]
                    updates = words[words.index("--mode") + 1] != "render"
                    found[pid] = Creation(step, updates, process.create_time())
                spent = process.cpu_times()
                creation = found[pid]
                creation.seconds = spent.user + spent.system
                creation.ended = time.time()
            except psutil.Error:
                continue
        time.sleep(_POLL_SECONDS)
    return list(found.values())


if __name__ == "__main__":
    main()
