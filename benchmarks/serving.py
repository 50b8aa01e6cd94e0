"""Answers over HTTP and from a file, against the same model called in process.

python benchmarks/serving.py --model bundles/RUN.zip --images 100000

Writes benchmarks/results/serving.csv (latency by batch size, both ways in turns) and
benchmarks/results/predict.csv (a generated file of so many images: the command, and the bare
predict_proba of the same images in pieces of the same size).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmnist_lib.data.formats.idx import read_images  # noqa: E402 (the line above finds it)
from fmnist_lib.model_files.predictor import predictions  # noqa: E402 (as above)
from fmnist_lib.workflows.model_source import load  # noqa: E402 (as above)
from fmnist_lib.workflows.predict import ROWS  # noqa: E402 (as above)

BATCHES, FEWEST_REQUESTS = (1, 10, 100, 1000), 5
RESULTS = ROOT / "benchmarks" / "results"


def require(condition, problem):
    """Stop when a measurement would mean nothing."""
    if not condition:
        raise SystemExit(problem)


def start_server(model):
    """Start the server; return its process and address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "fmnist_lib",
        "serve",
        "--model",
        model,
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, cwd=ROOT)
    while process.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{port}/ping", timeout=1)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return process, f"http://127.0.0.1:{port}/invocations"
    raise SystemExit("the server did not start")


def latencies(address, model, images, seconds):
    """Milliseconds of both ways by batch size, taken in turns; the answers must be the same."""
    rng = np.random.default_rng(0)
    session = requests.Session()
    for size in BATCHES:
        times = {"http": [], "in process": []}
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["http"]) < FEWEST_REQUESTS:
            batch = images[rng.choice(len(images), size, replace=False)]
            before = time.perf_counter()
            body = json.dumps({"inputs": batch.tolist()})
            headers = {"Content-Type": "application/json"}
            answer = session.post(address, data=body, headers=headers, timeout=600).json()
            between = time.perf_counter()
            expected = predictions(model, batch).to_dict("records")
            times["http"].append(between - before)
            times["in process"].append(time.perf_counter() - between)
            require(answer.get("predictions") == expected, "the answers over HTTP are others")
        for way, taken in times.items():
            p50, p99 = (1000 * np.quantile(taken, share) for share in (0.5, 0.99))
            yield {
                "batch": size,
                "way": way,
                "requests": len(taken),
                "p50_ms": f"{p50:.2f}",
                "p99_ms": f"{p99:.2f}",
                "images_per_second": f"{size * len(taken) / sum(taken):.1f}",
            }


def predict_file(address, images, n_images, bare):
    """Seconds and peak memory of the command, and the bare model's seconds, on the same images."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "images.npy", Path(name) / "answers.csv"
        array = np.lib.format.open_memmap(source, "w+", np.uint8, (n_images, 28, 28))
        for start in range(0, n_images, len(images)):
            array[start : start + len(images)] = images[: n_images - start]
        array.flush()
        del array
        command = [sys.executable, "-m", "fmnist_lib", "predict", "--model", address]
        before = time.perf_counter()
        process = subprocess.Popen([*command, "--in", str(source), "--out", str(target)], cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - before
        require(status == 0, "the command failed")
        with target.open() as file:
            require(sum(1 for _ in file) == n_images + 1, "not every image has an answer")
        stored = np.load(source, mmap_mode="r")
        before = time.perf_counter()
        for start in range(0, n_images, ROWS):
            bare.pipeline.predict_proba(np.array(stored[start : start + ROWS]))
        alone = time.perf_counter() - before
    return {
        "images": n_images,
        "command_seconds": f"{seconds:.1f}",
        "bare_seconds": f"{alone:.1f}",
        "of_bare_throughput": f"{alone / seconds:.3f}",
        "peak_mib": f"{usage.ru_maxrss / 1024:.0f}",
    }


def write(name, rows):
    """Write rows to a table as they come, and print them."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w", newline="") as file:
        table = None
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, row)
                table.writeheader()
            table.writerow(row)
            print(*(f"{key} {value}" for key, value in row.items()), sep="  ", flush=True)


def main():
    """Run both measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data" / "fashion-mnist")
    parser.add_argument("--images", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--seconds", type=float, default=10, help="of every batch size")
    options = parser.parse_args()
    images = read_images(options.data_dir / "t10k-images-idx3-ubyte.gz")
    model = load(options.model, environment_uri=os.environ.get("MLFLOW_TRACKING_URI"))
    process, address = start_server(options.model)
    try:
        write("serving.csv", latencies(address, model, images, options.seconds))
    finally:
        process.terminate()
    write("predict.csv", (predict_file(options.model, images, n, model) for n in options.images))


if __name__ == "__main__":
    main()
