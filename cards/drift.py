"""The card of the drift step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metaflow.cards import Markdown

from cards.components import header, pictures, table
from cards.escape import text
from cards.power import power
from fmnist_lib.common.formatting import p_value, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.data.version import DataVersion
    from fmnist_lib.drift.report import DriftReport

_SHOWN_COLUMNS = 10


def drift_card(report: DriftReport, version: DataVersion) -> list[MetaflowCardComponent]:
    """Card of a drift report: verdict, evidence, and power of the test."""
    ks = report.ks
    return [
        *header("Drift", version),
        Markdown(f"**{text(report.verdict[:1].upper() + report.verdict[1:])}.**"),
        Markdown(
            f"{report.n_current} current images against {report.n_reference} reference images, "
            f"none of which the model was fitted on: a two-sample Kolmogorov-Smirnov test of "
            f"each of {len(report.columns)} columns, {ks.correction.title()} correction, "
            f"family-wise false-alarm rate {percent(ks.alpha, 0)} "
            f"({report.seconds:.0f} s)."
        ),
        Markdown("## Evidence"),
        _columns(report),
        *_named(report, ["drift-distributions"]),
        Markdown("## Detection rates of simulated shifts"),
        Markdown(
            f"Alarms over random batches of {report.batch_rows} images. For each shift, held-out "
            "images are changed and scored once; its batches are drawn from these and overlap. "
            'For "no shift", reference and batch are redrawn each time.'
        ),
        _rates(report),
        *_named(report, ["drift-detection", "drift-signatures", "drift-shifts"]),
        *power(report.power),
    ]


def _columns(report: DriftReport) -> MetaflowCardComponent:
    ks = report.ks
    return table(
        ["column", "KS statistic", "p-value", "adjusted p-value", "differs"],
        [
            (
                report.columns[column],
                f"{ks.statistic[column]:.3f}",
                p_value(ks.p_value[column]),
                p_value(ks.adjusted_p_value[column]),
                "YES" if ks.rejected[column] else "no",
            )
            for column in ks.by_effect[:_SHOWN_COLUMNS]
        ],
    )


def _rates(report: DriftReport) -> MetaflowCardComponent:
    return table(
        ["batch", "alarms", "rate", "95 % interval", "column with the largest shift"],
        [
            (
                rate.description,
                f"{rate.alarms} of {rate.repeats}",
                percent(rate.rate.value, 0),
                f"{percent(rate.rate.low, 0)} to {percent(rate.rate.high, 0)}",
                f"{report.columns[rate.strongest]} ({rate.statistic[rate.strongest]:.2f})",
            )
            for rate in report.detection
        ],
    )


def _named(report: DriftReport, names: Iterable[str]) -> list[MetaflowCardComponent]:
    by_name = {one.name: one for one in report.pictures}
    return pictures(by_name[name] for name in names)
