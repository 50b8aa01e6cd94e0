"""Load a model in a new process and predict; `save_model` checks the stored copy with it.

python -m fmnist_lib.model_files.roundtrip_check MODEL IMAGES.npy PROBABILITIES.npy
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from fmnist_lib.common.errors import ModelError
from fmnist_lib.model_files.stored_model import load_model


def main(arguments: list[str] | None = None) -> int:
    """Write the predicted probabilities; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "images", "probabilities"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--allow-cloudpickle", action="store_true")
    options = parser.parse_args(arguments)
    try:
        # No size limit: `save_model` has checked the size.
        model = load_model(
            options.model, allow_cloudpickle=options.allow_cloudpickle, max_mb=float("inf")
        )
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    images = np.load(options.images, allow_pickle=False)
    np.save(options.probabilities, model.pipeline.predict_proba(images))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
