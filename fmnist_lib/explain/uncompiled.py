"""Import SHAP with Numba's JIT disabled."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uncompiled_shap() -> Iterator[None]:
    """Run ``shap``'s helper functions as plain Python inside the block.

    Numba would compile them again in every process, which takes about six seconds; interpreted
    they take 0.01 s per image. No-op if ``shap`` was already imported with the JIT enabled, or
    without Numba, which releases of ``shap`` for Python 3.12 and newer do not need.
    """
    if find_spec("numba") is None or ("shap" in sys.modules and _is_compiled()):
        yield
        return
    from numba.core import config as numba_config

    config: Any = numba_config  # its attributes are set at run time, unknown to type checkers
    before = config.DISABLE_JIT
    config.DISABLE_JIT = True
    try:
        import shap  # noqa: F401 (its decorators read the setting at import)

        yield
    finally:
        config.DISABLE_JIT = before


def _is_compiled() -> bool:
    from shap.explainers import _partition

    return hasattr(_partition.lower_credit, "py_func")
