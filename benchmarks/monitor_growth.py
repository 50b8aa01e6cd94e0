"""Work and memory of the monitor as the batch grows, and a CSV file larger than memory.

python benchmarks/monitor_growth.py              # the champion in use: 1k, 10k and 100k images
python benchmarks/monitor_growth.py --rows 1000 5000
python benchmarks/monitor_growth.py --csv-gb 2   # the stream alone; the file is deleted again

The work is that of the step `assess`, without the start of its process: batch, champion and
reference read, the batch scored and assessed, MLflow, card, signal. Each size has a process of
its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "flows")]
ROWS = (1_000, 10_000, 100_000)
SEED = 20


def main():
    """Print a line for every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--csv-gb", type=float, default=None)
    parser.add_argument("--run", default=None, help="training run; default: the champion's")
    parser.add_argument("--one", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.run)))
    elif options.csv_gb:
        stream(options.csv_gb)
    else:
        grow(options.rows, options.run)


def grow(sizes, run):
    """Assess batches of every size."""
    print(f"{'images':>8} {'wall s':>8} {'CPU s':>8} {'peak GiB':>9}  verdict")
    with tempfile.TemporaryDirectory() as directory:
        for rows in sizes:
            path = Path(directory) / f"{rows}.npz"
            write_batch(path, rows)
            command = [sys.executable, __file__, "--one", str(path)]
            command += ["--run", run] if run else []
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            result = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{rows:>8,} {result['wall']:>8.1f} {result['cpu']:>8.1f} {result['gib']:>9.2f}  "
                f"{result['verdict']}",
                flush=True,
            )


def measure(path, run):
    """Do the work of the step `assess`, and say what it took."""
    from cards.monitor import monitor_card
    from fmnist_lib.common.paths import sqlite_address
    from fmnist_lib.config.monitor import MonitorSettings
    from fmnist_lib.config.release import TrackingConfig
    from fmnist_lib.data.formats.batch import read_batch
    from fmnist_lib.monitor.signal import write_signal
    from fmnist_lib.registry.runs import RunIdentity
    from fmnist_lib.registry.store import prepare_store
    from fmnist_lib.workflows.assess import assess, signal_of, track
    from runs import champion_of, earlier_signals, find_champion

    tracking, uri = TrackingConfig(), sqlite_address(path.parent / "mlflow.db")
    prepare_store(tracking, path.parent, uri)
    champion = find_champion(run, tracking, ROOT, os.environ.get("MLFLOW_TRACKING_URI"))
    wall, cpu = time.perf_counter(), time.process_time()
    settings = MonitorSettings(seed=SEED)
    new = read_batch(path, at_most=settings.rows, seed=SEED)
    model, reference = (champion_of(champion, name) for name in ("champion", "reference"))
    assessment = assess(model, reference, new, settings)
    signal = signal_of(assessment, new, champion, batch=str(path), monitor_run="benchmark")
    track(signal, RunIdentity("benchmark", "1", "benchmark/1", "benchmark"), tracking, ROOT, uri)
    history = [*earlier_signals(settings.history - 1)[0], signal]
    version = champion_of(champion, "data_version")
    card = monitor_card(
        signal, assessment, history, new.images, config=settings.drift.verdict, version=version
    )
    [part.render() for part in card]
    write_signal(path.with_suffix(".json"), signal)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "gib": peak_gib(),
        "verdict": signal.verdict,
    }


def stream(size_gb):
    """Read a CSV file of that size, keeping a sample."""
    from fmnist_lib.data.formats.batch import read_batch

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "large.csv"
        rows = write_csv(path, size_gb)
        before, started = peak_gib(), time.perf_counter()
        batch = read_batch(path, at_most=100_000, seed=SEED)
        seconds = time.perf_counter() - started
        print(
            f"{path.stat().st_size / 1e9:.2f} GB of CSV, {batch.n_in_file:,} images of {rows:,}, "
            f"{len(batch):,} kept: {seconds:.0f} s, peak {peak_gib():.2f} GiB "
            f"({before:.2f} before)"
        )


def write_batch(path, rows):
    """Draw held-out images with replacement."""
    import numpy as np

    images, _ = test_images()
    drawn = np.random.default_rng(SEED).integers(0, len(images), rows)
    np.savez(path, images=images[drawn])


def write_csv(path, size_gb):
    """Write Kaggle's layout, the test images over and over."""
    import pandas as pd

    images, labels = test_images()
    table = pd.DataFrame(
        images[:2000].reshape(2000, -1), columns=[f"pixel{number}" for number in range(1, 785)]
    )
    table.insert(0, "label", labels[:2000])
    header, _, block = table.to_csv(index=False).partition("\n")
    rows = 0
    with path.open("w") as file:
        file.write(header + "\n")
        while file.tell() < size_gb * 1e9:
            file.write(block)
            rows += 2000
    return rows


def test_images():
    """Official test images, wherever a training run would find them."""
    from fmnist_lib.config.training import DataConfig
    from fmnist_lib.data.files import TEST_IMAGES, TEST_LABELS
    from fmnist_lib.data.formats.idx import read_pair
    from fmnist_lib.data.sources import find_source

    paths = find_source(DataConfig(synthetic_fallback=False), ROOT).paths
    return read_pair(paths[TEST_IMAGES], paths[TEST_LABELS])


def peak_gib():
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
