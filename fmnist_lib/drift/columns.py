"""Columns of the default test: the model's outputs and named image features."""

from __future__ import annotations

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES

OUTPUT_COLUMNS = tuple(f"p({name})" for name in CLASS_NAMES)


def default_columns() -> tuple[str, ...]:
    """Names of the columns of `tested_columns`."""
    from fmnist_lib.features.named import FEATURES

    return (*OUTPUT_COLUMNS, *FEATURES)


def tested_columns(images: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The model's ten outputs and 23 named features, float32, shape (n, 33)."""
    from fmnist_lib.features.named import named_features

    features = named_features(images).to_numpy(dtype=np.float32)
    return np.concatenate([probabilities.astype(np.float32), features], axis=1)
