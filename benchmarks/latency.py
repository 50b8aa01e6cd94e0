"""How quickly the pipelines of a finished run classify, and how large they are.

python benchmarks/latency.py [RUN_ID] [--repeats N]

Default: the latest successful run. Each pipeline is loaded by a fresh process, once with all
processors and once with one, and gets batches of 1, 100 and 1000 images. The Pareto front is that
of validation accuracy, milliseconds an image and megabytes, among the candidates, for each number
of processors and each batch. The champion, refitted on more images, is measured outside of it
unless it is an ensemble, which exists only as the champion.
The table goes to benchmarks/results/latency.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from metaflow import Flow, Run, namespace

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmnist_lib.common.labels import IMAGE_SHAPE  # noqa: E402 (the line above finds it)
from fmnist_lib.features.chunks import available_threads  # noqa: E402 (as above)

FLOW = "FashionMnistTrain"
RESULTS = ROOT / "benchmarks" / "results"
BATCHES = (1, 100, 1000)
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Calls before the clock runs: the first ones load libraries and fill caches.
WARM_UP = 3


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline of the run; without an accuracy it is on no Pareto front."""

    candidate: str
    pipeline: Any
    validation_accuracy: float | None


def main() -> None:
    """Measure every pipeline of the run, write the table and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", help="run id; default: the latest successful run")
    parser.add_argument("--repeats", type=int, default=30, help="batches of each size (30)")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.cores, options.repeats)))
        return
    namespace(None)
    run = Run(f"{FLOW}/{options.run}") if options.run else Flow(FLOW).latest_successful_run
    table = mark_pareto(pd.DataFrame(measured_rows(run, options.repeats)))
    RESULTS.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS / "latency.csv", index=False)
    print(f"run {run.id}\n{table.to_string(index=False)}")
    for (cores, batch), group in table[table["pareto"]].groupby(["cores", "batch"]):
        print(f"Pareto front, cores {cores}, batches of {batch}: {', '.join(group['candidate'])}")


def measured_rows(run: Run, repeats: int) -> list[dict[str, Any]]:
    """One row a pipeline, number of cores and batch size."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        images, path = Path(directory) / "images.npy", Path(directory) / "pipeline.pkl"
        dataset = run["select"].task.data.dataset
        # A run on few rows has fewer images than the largest batch: they are then repeated.
        np.save(images, np.resize(dataset.validation.images, (max(BATCHES), *IMAGE_SHAPE)))
        for fitted in fitted_pipelines(run):
            path.write_bytes(pickle.dumps(fitted.pipeline))
            for cores in sorted({1, available_threads()}):
                print(f"{fitted.candidate}, cores: {cores}", flush=True)
                for batch, seconds in _in_fresh_process(path, images, cores, repeats).items():
                    rows.append(
                        {
                            "candidate": fitted.candidate,
                            "validation_accuracy": fitted.validation_accuracy,
                            "model_mb": path.stat().st_size / 1e6,
                            "cores": cores,
                            "batch": int(batch),
                            "ms_per_image": 1000 * float(np.median(seconds)) / int(batch),
                            "ms_per_batch_p95": 1000 * float(np.quantile(seconds, 0.95)),
                        }
                    )
    return rows


def fitted_pipelines(run: Run) -> list[Fitted]:
    """Every candidate whose search left a fitted pipeline, and the champion.

    A winner that is put together from candidates, after their searches, has no pipeline of its own
    in the run: the champion then stands for it, with its validation accuracy.
    """
    results = [getattr(task.data, "result", None) for task in run["search"]]
    candidates = [
        Fitted(result.id, result.pipeline, result.validation_accuracy.value)
        for result in results
        if result is not None and result.pipeline is not None
    ]
    selected = run["select"].task.data
    board = selected.leaderboard.set_index("status").loc["winner"]
    measured = {fitted.candidate for fitted in candidates}
    accuracy = None if board["candidate"] in measured else float(board["validation_accuracy"])
    champion = Fitted(f"champion ({board['candidate']})", selected.champion, accuracy)
    return [*candidates, champion]


def _in_fresh_process(
    pipeline: Path, images: Path, cores: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of every repeat, by batch size."""
    environment = {name: text for name, text in os.environ.items() if name not in THREAD_LIMITS}
    if cores == 1:
        environment |= dict.fromkeys(THREAD_LIMITS, "1")
    command = [sys.executable, __file__, "--repeats", str(repeats), "--cores", str(cores)]
    done = subprocess.run(
        [*command, "--measure", str(pipeline), str(images)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(path: Path, images_path: Path, cores: int, repeats: int) -> dict[int, list[float]]:
    """Time `predict_proba` in this process, on that many cores."""
    # A limit on threads binds the libraries that read it; a pinned process binds all.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    pipeline = pickle.loads(path.read_bytes())  # noqa: S301 (written by the parent)
    images = np.load(images_path)
    return {batch: _seconds(pipeline, images, batch, repeats) for batch in BATCHES}


def _seconds(pipeline: Any, images: np.ndarray, batch: int, repeats: int) -> list[float]:
    seconds = []
    for number in range(WARM_UP + repeats):
        first = number * batch % (len(images) - batch + 1)
        shown = images[first : first + batch]
        start = time.perf_counter()
        probabilities = pipeline.predict_proba(shown)
        seconds.append(time.perf_counter() - start)
        if len(probabilities) != batch:
            raise SystemExit(f"expected {batch} predictions, got {len(probabilities)}")
    return seconds[WARM_UP:]


def mark_pareto(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``pareto``: no candidate is as good in all three respects and better in one.

    Candidates are compared for the same number of cores and batch size; rows without a validation
    accuracy are on no front.

    Parameters
    ----------
    table : DataFrame
        With ``validation_accuracy``, ``ms_per_image``, ``model_mb``, ``cores`` and ``batch``.
    """
    table = table.assign(pareto=False)
    known = table[table["validation_accuracy"].notna()]
    for _, group in known.groupby(["cores", "batch"]):
        costs = np.column_stack(
            [-group["validation_accuracy"], group["ms_per_image"], group["model_mb"]]
        )
        as_good = (costs[:, None] <= costs).all(axis=2)
        better = (costs[:, None] < costs).any(axis=2)
        table.loc[group.index, "pareto"] = ~(as_good & better).any(axis=0)
    return table


if __name__ == "__main__":
    main()
