"""Card of the step ``eda``: figures, feature table and the Sweetviz report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment
from metaflow.cards import Markdown

from cards.components import header, pictures, table
from fmnist_lib.common.formatting import percent
from fmnist_lib.features.named import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.eda.report import EdaReport

# srcdoc, because browsers refuse a data: URL of this size. The sandbox isolates the page's scripts
# from the card. Markdown ends an HTML block at an empty line: line ends become entities.
_FRAME = Environment(autoescape=True).from_string(
    '<iframe title="Sweetviz report" sandbox="allow-scripts allow-popups" width="100%" '
    'height="900" style="border: 1px solid #d9dee4" srcdoc="{{ page }}"></iframe>'
)
_SAVE = """\
To save it as a separate page:

```python
from metaflow import Flow

task = Flow("FashionMnistTrain").latest_successful_run["eda"].task
open("sweetviz.html", "w", encoding="utf-8").write(task.data.sweetviz_html)
```
"""


def eda_card(report: EdaReport, version: DataVersion) -> list[MetaflowCardComponent]:
    """Return the card: findings, figures, feature table, Sweetviz report."""
    return [
        *header("Exploration", version),
        Markdown(
            "Each image is described by interpretable features, from the width of the garment to "
            "its symmetry. Findings:\n\n" + "\n".join(f"- {finding}" for finding in report.findings)
        ),
        Markdown("## Figures"),
        *pictures(report.pictures),
        Markdown("## Named features"),
        Markdown(
            "All training images against all test images. *Class share* is the share of a "
            "feature's variance that the class accounts for (eta squared); *difference* is the "
            "test mean minus the training mean, in standard deviations."
        ),
        _features(report),
        Markdown(_meanings()),
        Markdown("## Sweetviz report"),
        *_sweetviz(report),
        Markdown(_SAVE),
        Markdown(f"Time: {report.seconds:.0f} s."),
    ]


def _sweetviz(report: EdaReport) -> list[MetaflowCardComponent]:
    """Return the Sweetviz page in an iframe, with an introduction."""
    train, test = report.sweetviz_rows
    frame = _FRAME.render(page=report.sweetviz_html)
    return [
        Markdown(
            f"{train:,} training images against {test:,} test images, on the most discriminative "
            "features. Click a feature for its details, **Associations** for the correlations of "
            "the features and the class."
        ),
        Markdown(frame.replace("\r", "").replace("\n", "&#10;")),
    ]


def _features(report: EdaReport) -> MetaflowCardComponent:
    headers = ["feature", "mean", "std", "min", "max", "missing", "class share"]
    return table([*headers, "test mean", "difference"], _rows(report))


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


def _meanings() -> str:
    return "\n".join(f"- **{name}**: {meaning}" for name, meaning in FEATURES.items())
