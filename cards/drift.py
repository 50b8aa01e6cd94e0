"""Card of the step `drift`.

It answers without scrolling: whether the batch has drifted, by how much, and whether the test would
notice a shift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.charts import intervals, tooltip
from cards.parts.components import box, details, header, pictures
from cards.parts.escape import code, text
from cards.sections.power import power
from fmnist_lib.common.formatting import capitalised, ends, p_value, percent
from fmnist_lib.drift.detection import RELIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.drift.report import DriftReport

_SHOWN_COLUMNS = 10


def drift_card(
    report: DriftReport, version: DataVersion, batch: str | None = None
) -> list[MetaflowCardComponent]:
    """Build the card: finding, evidence, and power of the test.

    Parameters
    ----------
    report : DriftReport
    version : DataVersion
    batch : str, optional
        Path of the current batch; without it the batch is the other half of the test images.
    """
    ks = report.ks
    verdict, _, reason = report.finding.partition(": ")
    return [
        *header(
            f"{capitalised(verdict)} in {ks.n_current:,} images",
            version,
            f"{text(capitalised(reason))}. Batch: "
            f"{code(batch) if batch else 'the other half of the test images'}. Two-sample "
            f"Kolmogorov-Smirnov tests of {len(ks.columns)} columns, the class probabilities and "
            f"the named features, with {str(ks.correction).title()} correction, against "
            f"{ks.n_reference:,} test images as the reference; the model was fitted on none of "
            "them.",
            _boxes(report),
        ),
        *_detection(report),
        *pictures(report.pictures),
        *power(report.power),
        _columns(report),
        _rates(report),
        Markdown(f"Time: {report.seconds:.0f} s."),
    ]


def _boxes(report: DriftReport) -> Iterator[Any]:
    ks = report.ks
    largest = ks.by_effect[0]
    yield box(
        "Columns that differ",
        f"{int(ks.rejected.sum())} of {len(ks.columns)}",
        f"family-wise false-alarm rate {percent(ks.alpha, 0)}",
        good=not ks.drifted,
    )
    yield box(
        "Largest difference",
        f"{ks.statistic[largest]:.3f}",
        f"KS statistic of {report.ks.columns[largest]}",
        f"adjusted p-value {p_value(ks.adjusted_p_values[largest])}",
    )
    null = report.false_alarms
    yield box(
        "False alarms",
        percent(null.rate.value, 0),
        f"of {null.repeats} batches without a shift; 95 % interval {ends(null.rate, 0)}",
    )
    shifts = [rate for rate in report.detection if rate.is_shift]
    found = sum(rate.is_reliable for rate in shifts)
    yield box(
        "Shifts found reliably",
        f"{found} of {len(shifts)}",
        f"simulated shifts that raise the alarm in {percent(RELIABLE, 0)} of batches or more",
    )


def _detection(report: DriftReport) -> list[MetaflowCardComponent]:
    names = [rate.name.replace("_", " ") for rate in report.detection]
    rows = [
        {
            "batch": name,
            "description": rate.description,
            "value": rate.rate.value,
            "low": rate.rate.low,
            "high": rate.rate.high,
            "largest_shift": report.ks.columns[rate.strongest],
            "colour": "primary" if rate.is_shift else "secondary",
        }
        for name, rate in zip(names, report.detection, strict=True)
    ]
    missed = [
        name
        for name, rate in zip(names, report.detection, strict=True)
        if rate.is_shift and not rate.is_reliable
    ]
    finding = (
        f"Shifts this test may miss: {', '.join(missed)}"
        if missed
        else "Every simulated shift is found reliably"
    )
    numbers = "; ".join(
        f"{name} {percent(rate.rate.value, 0)}"
        for name, rate in zip(names, report.detection, strict=True)
    )
    return [
        Markdown(f"## {text(finding)}"),
        Markdown(
            f"Share of random batches of {report.batch_rows:,} images that raise the alarm. For "
            "each shift, test images are changed and scored once; its batches are drawn from "
            'these and overlap. For "no shift", reference and batch are redrawn each time.'
        ),
        intervals(
            f"Alarms by simulated shift: {numbers}.",
            rows,
            "batches with an alarm, with 95 % interval",
            name="batch",
            details=tooltip(
                batch="", description="", value=".0%", low=".0%", high=".0%", largest_shift=""
            ),
        ),
    ]


def _columns(report: DriftReport) -> MetaflowCardComponent:
    ks = report.ks
    return details(
        "Evidence: the columns that differ most",
        ["column", "KS statistic", "p-value", "adjusted p-value", "differs"],
        [
            (
                ks.columns[column],
                f"{ks.statistic[column]:.3f}",
                p_value(ks.p_values[column]),
                p_value(ks.adjusted_p_values[column]),
                "YES" if ks.rejected[column] else "no",
            )
            for column in ks.by_effect[:_SHOWN_COLUMNS]
        ],
    )


def _rates(report: DriftReport) -> MetaflowCardComponent:
    return details(
        "Detection rates, counted",
        ["batch", "alarms", "rate", "95 % interval", "column with the largest shift"],
        [
            (
                rate.description,
                f"{rate.alarms} of {rate.repeats}",
                percent(rate.rate.value, 0),
                ends(rate.rate, 0),
                f"{report.ks.columns[rate.strongest]} ({rate.statistic[rate.strongest]:.2f})",
            )
            for rate in report.detection
        ],
    )
