"""Sweetviz report of train against test, as one HTML page."""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from matplotlib.axes import Axes


def sweetviz_report(
    train: pd.DataFrame, test: pd.DataFrame, categorical: Sequence[str] = ("garment",)
) -> str:
    """Compare two samples: distributions, missing values and associations of every column.

    Sweetviz spends almost all its time on drawing ten histograms and the associations of each
    numeric column: about 0.5 s per column on one core, independent of the number of rows.

    Parameters
    ----------
    train, test : DataFrame
        The same columns in both. At least one row each.
    categorical : sequence of str, default=("garment",)
        Categorical columns; all others are numeric. The class is an ordinary column: Sweetviz
        accepts only numeric and boolean targets.

    Returns
    -------
    str
        A self-contained HTML page, about 2 MB for a dozen columns.

    References
    ----------
    https://github.com/fbdesignpro/sweetviz
    """
    with _isolated():
        import sweetviz

        features = sweetviz.FeatureConfig(
            force_cat=list(categorical),
            force_num=[column for column in train.columns if column not in categorical],
        )
        report = sweetviz.DataframeReport(
            [train, "Train"], None, [test, "Test"], "on", features, verbosity="off"
        )
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "sweetviz.html"
            # Narrow layout: the page is shown inside a card.
            report.show_html(str(file), open_browser=False, layout="vertical", scale=0.8)
            return file.read_text(encoding="utf-8")


@contextmanager
def _isolated() -> Iterator[None]:
    """Restore global state and suppress output of Sweetviz.

    It draws with pyplot, changes styles, warning filters and NumPy's error state permanently, and
    logs a line about its font for every figure.
    """
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    with ExitStack() as stack:
        stack.callback(fonts.setLevel, level)
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(np.errstate())
        stack.enter_context(mpl.rc_context())
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        fonts.setLevel(logging.ERROR)
        warnings.simplefilter("ignore")
        # pyplot's default backend may need a display.
        mpl.use("agg")
        stack.enter_context(patch.object(plt, "subplot", _replacing_empty_axes(plt.subplot)))
        yield


def _replacing_empty_axes(subplot: Callable[..., Axes]) -> Callable[..., Axes]:
    """Make ``plt.subplot`` remove empty axes, as it did up to Matplotlib 3.7.

    Sweetviz's associations figure relies on it: otherwise empty axes cover its labels.
    """

    def replacing(*args: Any, **kwargs: Any) -> Axes:
        from matplotlib import pyplot as plt

        for axes in plt.gcf().axes:
            if not axes.has_data():
                axes.remove()
        return subplot(*args, **kwargs)

    return replacing
