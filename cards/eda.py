"""Card of the step ``eda``.

It answers without scrolling: what tells the classes apart, whether they are balanced, and whether
test images differ from training images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.components import box, details, frame, header, pictures
from fmnist_lib.common.formatting import percent
from fmnist_lib.features.named import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.eda.report import EdaReport

_SAVE = """\
To save it as a separate page:

```python
from metaflow import Flow

task = Flow("FashionMnistTrain").latest_successful_run["eda"].task
open("sweetviz.html", "w", encoding="utf-8").write(task.data.sweetviz_html)
```
"""


def eda_card(report: EdaReport, version: DataVersion) -> list[MetaflowCardComponent]:
    """Return the card: findings, figures, Sweetviz report, feature table."""
    return [
        *header(
            _answer(report),
            version,
            "Each image is described by named features, from the width of the garment to its "
            "symmetry.",
            _boxes(report),
        ),
        Markdown("## Findings"),
        Markdown("\n".join(f"- {finding}" for finding in report.findings)),
        *pictures(report.pictures),
        Markdown("## Sweetviz report"),
        *_sweetviz(report),
        details(
            "Every named feature, training against test images",
            _HEADERS,
            _rows(report),
        ),
        details("Meaning of the named features", ["feature", "meaning"], FEATURES.items()),
        Markdown(f"Time: {report.seconds:.0f} s."),
    ]


_HEADERS = [
    "feature",
    "mean",
    "std",
    "min",
    "max",
    "missing",
    "class share (eta squared)",
    "test mean",
    "difference, std",
]


def _answer(report: EdaReport) -> str:
    best = report.feature_summary["class_share"].idxmax()
    share = report.feature_summary["class_share"].max()
    return (
        f"Most discriminative feature: {best}, {percent(share, 0)} of whose variance is the class"
    )


def _boxes(report: EdaReport) -> Iterator[Any]:
    summary, counts = report.feature_summary, report.class_counts.iloc[:, 0]
    largest = summary["difference"].abs().idxmax()
    yield box("Training images", f"{counts.sum():,}", f"in {(counts > 0).sum()} classes")
    yield box(
        "Images per class",
        f"{counts.min():,}"
        if counts.min() == counts.max()
        else f"{counts.min():,}-{counts.max():,}",
        "in the training images",
    )
    yield box("Missing values", f"{int(summary['missing'].sum()):,}", "in the named features")
    yield box(
        "Test against training",
        f"{summary.loc[largest, 'difference']:+.3f}",
        f"standard deviations: largest difference of a mean ({largest})",
    )


def _sweetviz(report: EdaReport) -> list[MetaflowCardComponent]:
    """Return the Sweetviz page in an iframe, with an introduction and the code that saves it."""
    train, test = report.sweetviz_rows
    return [
        Markdown(
            f"{train:,} training images against {test:,} test images, on the most discriminative "
            "features. Click a feature for its details, **Associations** for the correlations of "
            "the features and the class."
        ),
        frame("Sweetviz report", report.sweetviz_html),
        Markdown(_SAVE),
    ]


def _rows(report: EdaReport) -> Iterator[tuple[str, ...]]:
    for row in report.feature_summary.itertuples():
        numbers = (f"{value:.4g}" for value in (row.mean, row.std, row.min, row.max))
        yield (
            str(row.Index),
            *numbers,
            f"{row.missing:,}",
            percent(row.class_share, 0),
            f"{row.test_mean:.4g}",
            f"{row.difference:+.3f}",
        )
