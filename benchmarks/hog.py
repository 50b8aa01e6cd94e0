"""Our histograms of oriented gradients against a loop over scikit-image's, in the same process.

pip install scikit-image
python benchmarks/hog.py [--images N] [--rounds N] [--file FILE]

scikit-image is needed here alone, so no requirements name it: install it beside the project's own.
Both get the same training images (default: the first 5,000), take turns, and use one thread. Ours
is configured to give the same columns; the table ends with the largest difference between them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

# Before NumPy is imported, whose BLAS reads it then.
os.environ |= {"FMNIST_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from skimage.feature import hog

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fmnist_lib.data.files import TRAIN_IMAGES  # noqa: E402 (the line above finds it)
from fmnist_lib.data.formats.idx import read_images  # noqa: E402 (as above)
from fmnist_lib.data.sources import default_cache  # noqa: E402 (as above)
from fmnist_lib.features.gradients import OrientedGradients  # noqa: E402 (as above)

#: Least ratio of the times, and largest difference of a column.
BAR, TOLERANCE = 20, 1e-5


def main() -> None:
    """Time both in turns, print the table, and fail where the bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000, help="how many of them (5000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (3)")
    parser.add_argument(
        "--file",
        type=Path,
        default=default_cache() / TRAIN_IMAGES,
        help="training images; default: those that a run downloaded",
    )
    options = parser.parse_args()
    images = read_images(options.file)[: options.images]
    methods = {"scikit-image": by_scikit_image, "fmnist_lib": by_fmnist_lib}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    columns = {}
    for method in methods.values():
        method(images[:100])
    for _ in range(options.rounds):
        for name, method in methods.items():
            start = time.perf_counter()
            columns[name] = method(images)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{len(images)} images, one thread, median of {options.rounds}\n")
    print("| method | seconds | microseconds an image |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} | {median / len(images) * 1e6:.1f} |")
    ratio = medians["scikit-image"] / medians["fmnist_lib"]
    difference = float(np.abs(columns["scikit-image"] - columns["fmnist_lib"]).max())
    print(f"\nscikit-image / fmnist_lib: {ratio:.1f} (bar: at least {BAR})")
    print(f"largest difference: {difference:.1e} (bar: at most {TOLERANCE:.0e})")
    if ratio < BAR or difference > TOLERANCE:
        sys.exit("the bar is missed")


def by_scikit_image(images: np.ndarray) -> np.ndarray:
    """Columns of shape (n, 1296), image by image."""
    return np.array(
        [
            hog(
                image,
                orientations=9,
                pixels_per_cell=(4, 4),
                cells_per_block=(2, 2),
                block_norm="L2-Hys",
            )
            for image in images
        ]
    )


def by_fmnist_lib(images: np.ndarray) -> np.ndarray:
    """Columns of shape (n, 1296), all images at once."""
    return OrientedGradients(7, 9, signed=False, interpolate=False).fit_transform(images)


if __name__ == "__main__":
    main()
