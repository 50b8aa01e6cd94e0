"""Accuracy against minutes: the default run with budgets of 1, 3, 10 and 20 minutes.

python benchmarks/frontier.py [--minutes 1 3 10 20] [--seeds 20] [--early-stop]

Every run starts with an empty cache, so that no run has features or studies of an earlier one, and
uses its whole budget unless ``--early-stop`` is given. The fits out of fold, which follow after
the budget, are left out.
Appends to ``benchmarks/results/frontier.csv`` as soon as a run ends, and draws ``frontier.png``.
The budget's wall time runs from the start of `prepare` to the end of the winner's refit in
`select`; processor use is that of all processes in that time. Memory is that of all processes of
the run; the column ``memory`` says how it was counted.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from limited_process import SAMPLING_SECONDS, memory_of

ROOT = Path(__file__).resolve().parents[1]
# A run's artifacts are unpickled with the library's types.
sys.path.insert(0, str(ROOT))

RESULTS = ROOT / "benchmarks" / "results"
FIELDS = (
    "minutes",
    "seed",
    "test_accuracy",
    "low",
    "high",
    "validation_accuracy",
    "winner",
    "winner_rows",
    "budget_seconds",
    "processor_share",
    "peak_gib",
    "model_mb",
    "ms_per_image",
    "run",
    "commit",
    "memory",
)
#: Kind of memory that `Meter` counts: shared pages count once. Rows with RSS are older: there
#: such pages count once for each process that has them.
MEMORY = "PSS"


class Meter:
    """Memory and processor time of a process and all that it starts, sampled twice a second."""

    def __init__(self, process: psutil.Process) -> None:
        self.peak = 0
        self.samples: list[tuple[datetime, float]] = []
        self._process = process
        self._spent: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._ended.set()
        self._thread.join()

    def processor_seconds(self, start: datetime, end: datetime) -> float:
        """Processor time between two moments."""
        inside = [spent for moment, spent in self.samples if start <= moment <= end]
        return inside[-1] - inside[0] if inside else float("nan")

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLING_SECONDS):
            with suppress(psutil.NoSuchProcess):  # the run has ended
                self._sample([self._process, *self._process.children(recursive=True)])

    def _sample(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._spent[process.pid] = times.user + times.system
        self.peak = max(self.peak, memory_of(processes))
        self.samples.append((datetime.now().astimezone(), sum(self._spent.values())))


def main() -> None:
    """Run every budget with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 3, 10, 20])
    parser.add_argument("--seeds", type=int, nargs="+", default=[20])
    parser.add_argument("--early-stop", action="store_true", help="the budget is an upper bound")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for seed in options.seeds:
        for minutes in options.minutes:
            row = measure(minutes, seed, early_stop=options.early_stop)
            append(row, RESULTS / "frontier.csv")
            print(row, flush=True)
    draw()


def measure(
    minutes: float, seed: int, *options: str, early_stop: bool = False
) -> dict[str, object]:
    """Run the flow once and read its artifacts."""
    text = (ROOT / "config" / "train.toml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "train.toml"
        cache = Path(directory) / "cache"
        keys = f'[search]\ncache = "{cache}"\nearly_stop = {str(early_stop).lower()}\n'
        text = text.replace("[search]\n", keys) + "\n[cross_fit]\nenabled = false\n"
        config.write_text(text, encoding="utf-8")
        file = Path(directory) / "run"
        command = [sys.executable, "flows/train.py", "--config", "config", str(config), "run"]
        command += ["--minutes", str(minutes), "--seed", str(seed), "--run-id-file", str(file)]
        command += options
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        meter = Meter(psutil.Process(process.pid))
        status = process.wait()
        meter.stop()
        if status:
            raise SystemExit(f"the run with {minutes} minutes ended with exit code {status}")
        return read(file.read_text(encoding="utf-8").strip(), minutes, seed, meter)


def read(run_id: str, minutes: float, seed: int, meter: Meter) -> dict[str, object]:
    """Read accuracy and times of a finished run."""
    from metaflow import Run, namespace

    from fmnist_lib.registry.run_environment import git_commit

    namespace(None)
    run = Run(f"FashionMnistTrain/{run_id}")
    data = run["select"].task.data
    wall = data.spent.seconds
    start = datetime.fromtimestamp(data.budget.started).astimezone()
    end = start + timedelta(seconds=wall)
    table = data.leaderboard
    winner = table[table["status"] == "winner"].iloc[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    accuracy = data.evaluation.accuracy
    return {
        "minutes": minutes,
        "seed": seed,
        "test_accuracy": accuracy.value,
        "low": round(accuracy.low, 4),
        "high": round(accuracy.high, 4),
        "validation_accuracy": winner["validation_accuracy"],
        "winner": winner["candidate"],
        "winner_rows": data.spent.rows,
        "budget_seconds": round(wall, 1),
        "processor_share": round(meter.processor_seconds(start, end) / wall / cores, 3),
        "peak_gib": round(meter.peak / 2**30, 2),
        "model_mb": round(winner["model_mb"], 1),
        "ms_per_image": round(winner["predict_ms_per_image"], 3),
        "run": run_id,
        "commit": git_commit(ROOT) or "unknown",
        "memory": MEMORY,
    }


def append(row: dict[str, object], path: Path) -> None:
    """Write one line at once: an interrupted benchmark keeps what it has."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(row)


def draw() -> None:
    """Draw the accuracy against the minutes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd

    frame = pd.read_csv(RESULTS / "frontier.csv").sort_values("minutes")
    mean = frame.groupby("minutes")["test_accuracy"].mean()
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.plot(mean.index, mean, color="#2563a8")
    axes.errorbar(
        frame["minutes"],
        frame["test_accuracy"],
        yerr=[frame["test_accuracy"] - frame["low"], frame["high"] - frame["test_accuracy"]],
        fmt="o",
        color="#2563a8",
        capsize=3,
    )
    axes.set(xscale="log", xlabel="minutes of search and refit", ylabel="test accuracy")
    axes.set_xticks(mean.index, [f"{minutes:g}" for minutes in mean.index])
    axes.set_title("Test accuracy by budget, with 95 % intervals", loc="left")
    figure.savefig(RESULTS / "frontier.png", dpi=150)


if __name__ == "__main__":
    main()
