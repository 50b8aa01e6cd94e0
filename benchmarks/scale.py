"""Time and memory of training, predictions and the monitor by the number of images on the disk.

python benchmarks/scale.py [--images N ...] [--scratch DIRECTORY]

The images are the official training images, repeated, with one level of noise in each pixel: they
cost what new images cost. They are written as IDX files, 0.78 GB for every million. The training
flow (`config/quick.toml`, which trains on a sample, with one candidate: logistic regression on
pixels), `fmnist predict` with its model, and the monitor flow then run as a user runs them, in
directories of their own. Peak memory is that of all their processes together. The table goes to
benchmarks/results/scale.csv.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
RESULTS = ROOT / "benchmarks" / "results"

from limited_process import run_limited  # noqa: E402
from official_data import official_files  # noqa: E402
from quick_runs import quick_scene  # noqa: E402

from tests.quick_config import with_candidate  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from scene import Scene

IMAGES = (70_000, 700_000, 7_000_000)
#: A fast model: how memory and time grow does not depend on it.
CANDIDATE = """
[[search.candidates]]
id = "logistic"
engine = "optuna"
families = ["logistic"]
features = ["pixels"]
rows = 2500
trials = 2
"""
UNPACKED_IMAGES = "train-images-idx3-ubyte"
#: Images written at once.
CHUNK = 10_000
#: Wall seconds after which a command is ended.
LIMIT_SECONDS = 4 * 3600.0


def main() -> None:
    """Measure every size, and write the table."""
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scene = quick_scene(Path(name))
        train = scene.configs["train"]
        train.write_text(with_candidate(train.read_text(), CANDIDATE))
        monitor = scene.control / "monitor.toml"
        monitor.write_text(f'seed = 20\nsignal = "{scene.signal}"\n')
        scene.configs["monitor"] = monitor
        for images in options.images:
            data = Path(name, "data")
            write_data(data, images, official_files(options.data))
            for command in ("train", "predict", "monitor"):
                rows.append(measure(command, scene, data, images))
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
            shutil.rmtree(data)
    pd.DataFrame(rows).to_csv(RESULTS / "scale.csv", index=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES, help="training images")
    parser.add_argument("--data", type=Path, help="directory of the four official files")
    parser.add_argument("--scratch", type=Path, help="directory for the images and the runs")
    return parser.parse_args()


def write_data(directory: Path, images: int, official: dict[str, Path]) -> None:
    """Write so many training images with their labels, in bounded memory, and the test files."""
    from fmnist_lib.data.formats.idx import idx_header
    from fmnist_lib.data.official_files import TEST_IMAGES, TEST_LABELS, TRAIN_LABELS

    directory.mkdir()
    for name in (TEST_IMAGES, TEST_LABELS):
        shutil.copy(official[name], directory)
    with (
        (directory / UNPACKED_IMAGES).open("wb") as pixels,
        (directory / TRAIN_LABELS.removesuffix(".gz")).open("wb") as labels,
    ):
        pixels.write(idx_header("uint8", (images, 28, 28)))
        labels.write(idx_header("uint8", (images,)))
        for chunk, classes in noisy_images(images, official):
            pixels.write(chunk.tobytes())
            labels.write(classes.tobytes())


def noisy_images(images: int, official: dict[str, Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield so many images and their labels in chunks."""
    import numpy as np

    from fmnist_lib.data.formats.idx import read_pair
    from fmnist_lib.data.official_files import TRAIN_IMAGES, TRAIN_LABELS

    source, labels = read_pair(official[TRAIN_IMAGES], official[TRAIN_LABELS])
    random = np.random.default_rng(0)
    for start in range(0, images, CHUNK):
        rows = random.permutation(len(source))[: min(CHUNK, images - start)]
        noise = random.integers(-1, 2, (len(rows), 28, 28), dtype=np.int8)
        yield np.clip(source[rows] + noise.astype(np.int16), 0, 255).astype(np.uint8), labels[rows]


def measure(command: str, scene: Scene, data: Path, images: int) -> dict[str, object]:
    """Run a command; return its seconds and its memory."""
    log = scene.control / f"{command}.txt"
    arguments = [sys.executable, *_arguments(command, scene, data)]
    ended = run_limited(arguments, LIMIT_SECONDS, log, ROOT, scene.environment)
    if ended.exit_code:
        sys.exit(f"{command} failed:\n{log.read_text()[-2000:]}")
    return {
        "command": command,
        "images": images,
        "seconds": round(ended.seconds, 1),
        "seconds_per_million": round(1e6 * ended.seconds / images, 1),
        "processor_seconds_per_million": round(1e6 * ended.processor_seconds / images, 1),
        "peak_gib": round(ended.peak_gib, 2),
    }


def _arguments(command: str, scene: Scene, data: Path) -> list[str]:
    batch = str(data / UNPACKED_IMAGES)
    if command == "predict":
        # The same model for every size.
        model = str(min(scene.disk.glob("bundles/*.zip")))
        target = str(scene.control / "predictions.parquet")
        return ["-m", "fmnist_lib", "predict", "--model", model, "--in", batch, "--out", target]
    flow = [f"flows/{command}.py", "--config", "config", str(scene.configs[command]), "run"]
    return [*flow, *(["--batch", batch] if command == "monitor" else ["--data-dir", str(data)])]


if __name__ == "__main__":
    main()
