"""Time and memory of the kernel learner by number of training images.

python benchmarks/growth.py [--sizes N ...] [--data DIRECTORY]

Columns and learner are those that the search tries first: 750 components of patches of three sizes
and 400 of gradients, and a kernel on the hardest half of the rows. 55,000 official training images
are fitted on, the other 5,000 measure the accuracy. Rows beyond these 55,000 are made: a random one
of them, with normal noise of a tenth of each column's standard deviation. They cost what real rows
cost, but teach nothing, so that the accuracy beyond 55,000 rows is that of 55,000 images.

Every size runs in a process of its own, with the default memory bound and on all processors that
FMNIST_THREADS allows. The table and the chart go to benchmarks/results/growth.csv and growth.png.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results"

SIZES = (5_000, 15_000, 30_000, 60_000, 120_000, 240_000)
REAL_ROWS = 55_000
#: Noise of the rows that are made, in standard deviations of the columns.
NOISE = 0.1
#: The fit time may grow from the first to the last of these with this power of the rows.
BAR, BAR_FROM = 1.3, 60_000
#: Images predicted at once, and how often.
BATCH, ROUNDS = 1000, 3


def main() -> None:
    """Measure every size, write table and chart, and fail where the bar is missed."""
    options = _options()
    if options.columns:
        make_columns(options.data, options.columns)
        return
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    with tempfile.TemporaryDirectory() as directory:
        data = ("--data", str(options.data)) if options.data else ()
        _child("--columns", directory, *data)
        rows = []
        for size in options.sizes:
            answer = _child("--measure", str(size), directory)
            rows.append(json.loads(answer.splitlines()[-1]))
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "growth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    slope = exponent(rows)
    (RESULTS / "growth.png").write_bytes(chart(rows, slope))
    if slope is not None:
        print(f"fit time grows with the rows to the power {slope:.2f} from {BAR_FROM:,} on")
        sys.exit(slope > BAR)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows to fit on")
    parser.add_argument("--data", type=Path, help="directory of the four official files")
    # The two kinds of process that the benchmark starts.
    parser.add_argument("--columns", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(*arguments: str) -> str:
    # BLAS gets one thread, as in a run: the learner shares its work out itself.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def make_columns(data: Path | None, directory: Path) -> None:
    """Write the columns of all training images, their parity and their labels."""
    import numpy as np
    from official_data import official_files

    from fmnist_lib.data.formats.idx import read_pair
    from fmnist_lib.data.official_files import TRAIN_IMAGES, TRAIN_LABELS
    from fmnist_lib.features.block import FeatureBlock
    from fmnist_lib.search.recipes.pipelines import shared_extractors

    paths = official_files(data)
    images, labels = read_pair(paths[TRAIN_IMAGES], paths[TRAIN_LABELS])
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    patches, gradients = shared_extractors(("3+5+7",))
    blocks = [
        (0.66, FeatureBlock(patches, 480, 270, 0.45, random_state=0)),
        (0.34, FeatureBlock(gradients, 256, 144, 0.45, random_state=0)),
    ]
    columns = [
        np.float32(np.sqrt(weight)) * block.fit(images[:REAL_ROWS]).transform(images)
        for weight, block in blocks
    ]
    np.save(directory / "columns.npy", np.hstack(columns))
    np.save(directory / "labels.npy", labels)
    np.save(directory / "parity.npy", np.hstack([block.antisymmetric_ for _, block in blocks]))


def measure(size: str, directory: str) -> dict[str, int | float | str]:
    """Fit on so many rows and predict."""
    import numpy as np

    from fmnist_lib.models.kernel import KernelClassifier

    columns = np.load(Path(directory, "columns.npy"), mmap_mode="r")
    labels = np.load(Path(directory, "labels.npy"))
    X, y = training_rows(columns[:REAL_ROWS], labels[:REAL_ROWS], int(size))
    held_out, expected = np.array(columns[REAL_ROWS:]), labels[REAL_ROWS:]
    del columns
    before = _peak_gib()
    learner = KernelClassifier(
        ridge=0.03,
        hardest_share=0.5,
        antisymmetric=np.load(Path(directory, "parity.npy")),
        random_state=0,
    )
    start, cpu_start = time.perf_counter(), time.process_time()
    learner.fit(X, y)
    fit_seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = _peak_gib()
    accuracy = learner.score(held_out, expected)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        learner.predict_proba(held_out[:BATCH])
        seconds.append(time.perf_counter() - start)
    return {
        "rows": int(size),
        "columns": X.shape[1],
        "kept_rows": len(learner.rows_),
        "fit_seconds": round(fit_seconds, 2),
        "fit_cpu_seconds": round(cpu_seconds, 2),
        "predict_ms_per_image": round(1000 * min(seconds) / BATCH, 3),
        "peak_gib": round(peak, 2),
        "fit_gib": round(peak - before, 2),
        "accuracy": round(accuracy, 4),
        "solution": learner.description_,
    }


def training_rows(columns, labels, size):
    """Return the first rows, and made ones beyond them; see the module's docstring."""
    import numpy as np

    random = np.random.default_rng(1)
    X = np.empty((size, columns.shape[1]), dtype=np.float32)
    real = min(size, len(columns))
    X[:real] = columns[:real]
    sources = random.integers(0, len(columns), size - real)
    noise = NOISE * X[:real].std(axis=0)
    for start in range(0, len(sources), 10_000):
        made = X[real + start : real + start + 10_000]
        random.standard_normal(out=made, dtype=np.float32)
        made *= noise
        made += columns[sources[start : start + 10_000]]
    return X, np.concatenate([labels[:real], labels[sources]])


def _peak_gib() -> float:
    """Largest resident memory so far; Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def exponent(rows) -> float | None:
    """Slope of log fit time over log rows, from the bar's first size on."""
    import numpy as np

    large = [row for row in rows if row["rows"] >= BAR_FROM]
    if len(large) < 2:  # noqa: PLR2004 (a line needs two points)
        return None
    sizes, seconds = ([row[name] for row in large] for name in ("rows", "fit_seconds"))
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def chart(rows, slope: float | None) -> bytes:
    """Fit time and peak memory over the rows, both axes logarithmic."""
    from fmnist_lib.common.plotting import PRIMARY, SECONDARY, new_figure, picture

    sizes = [row["rows"] for row in rows]
    figure = new_figure(10, 4)
    panels = {"fit_seconds": "fit, seconds", "peak_gib": "peak memory, GiB"}
    for axes, (name, title) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        values = [row[name] for row in rows]
        axes.plot(sizes, values, "o-", color=PRIMARY)
        for row, value in zip(rows, values, strict=True):
            axes.annotate(
                f"{value:.3g}",
                (row["rows"], value),
                (0, 6),
                textcoords="offset points",
                ha="center",
            )
        axes.set(xscale="log", yscale="log", xlabel="training rows", title=title)
        axes.set_ylim(min(values) / 1.5, max(values) * 2)
        axes.set_xticks(sizes, [f"{size // 1000}k" for size in sizes])
        axes.minorticks_off()
        axes.axvline(REAL_ROWS, color=SECONDARY, ls=":", lw=1)
        axes.grid(visible=True, color=SECONDARY, alpha=0.3)
    growth = "" if slope is None else f"exponent {slope:.2f} from {BAR_FROM // 1000}k rows on"
    figure.suptitle(f"Kernel learner: {growth}; rows right of the dotted line are made")
    return picture(figure, "growth", "Growth", "").png


if __name__ == "__main__":
    main()
