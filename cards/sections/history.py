"""Section on the monitor's earlier verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown, VegaChart

from cards.parts.charts import quantity, spec, tooltip
from fmnist_lib.common.formatting import percent
from fmnist_lib.common.plotting import ALERT, PRIMARY, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.monitor.signal import Signal

#: Colour and shape of each verdict.
_MARKS = {
    "insufficient_data": (SECONDARY, "cross"),
    "ok": (PRIMARY, "circle"),
    "watch": ("#b08900", "triangle-up"),
    "retrain": (ALERT, "diamond"),
}


def history(signals: Sequence[Signal]) -> list[MetaflowCardComponent]:
    """Build the chart of the champion's accuracy per batch, coloured by verdict.

    Parameters
    ----------
    signals : sequence of Signal
        Oldest first, this run last.
    """
    calm = sum(signal.verdict == "ok" for signal in signals)
    title = f"Verdicts over time: {calm} of {len(signals)} ok"
    numbers = "; ".join(
        f"{one.created[:16]} {one.verdict.replace('_', ' ')} "
        f"{percent(one.accuracy.value) if one.accuracy else 'without accuracy'}"
        for one in signals
    )
    return [
        Markdown(f"## {title}"),
        Markdown(
            "Each mark is a batch: the accuracy measured with its labels, or estimated without "
            "them, with its interval. The line is the champion's accuracy on held-out images."
        ),
        VegaChart(
            spec(f"{title}. {numbers}.", [_row(one) for one in signals], _layers(signals), 240)
        ),
    ]


def _row(signal: Signal) -> dict[str, Any]:
    accuracy, reference = signal.accuracy, signal.reference_accuracy
    source = "measured" if signal.realised_accuracy else "estimated"
    return {
        "created": signal.created,
        "verdict": signal.verdict.replace("_", " "),
        "batch": signal.batch,
        "images": signal.images,
        "accuracy": accuracy.value if accuracy else None,
        "low": accuracy.low if accuracy else None,
        "high": accuracy.high if accuracy else None,
        "source": source if accuracy else "none",
        "reference": reference.value if reference else None,
    }


def _layers(signals: Sequence[Signal]) -> list[dict[str, Any]]:
    shown = [name for name in _MARKS if any(one.verdict == name for one in signals)]
    names = [name.replace("_", " ") for name in shown]
    colours, shapes = zip(*(_MARKS[name] for name in shown), strict=True)
    # Nights are as far apart as their order says: two runs within a minute stay apart.
    when = {
        "field": "created",
        "type": "ordinal",
        "title": "time of the run, UTC",
        "axis": {
            "labelExpr": "slice(datum.label, 5, 10) + ' ' + slice(datum.label, 11, 16)",
            "labelAngle": -30,
            "labelOverlap": True,
        },
    }
    colour = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": names, "range": list(colours)},
    }
    shape = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": names, "range": list(shapes)},
    }
    details = tooltip(
        created="", batch="", verdict="", images=",d", accuracy=".1%", source="", reference=".1%"
    )
    level = quantity("reference", "accuracy", ".0%")
    mark = {"type": "line", "interpolate": "step", "color": SECONDARY, "strokeDash": [5, 4]}
    shared = {"x": when, "color": colour, "tooltip": details}
    span = shared | {"y": quantity("low", "accuracy", ".0%"), "y2": {"field": "high"}}
    value = shared | {"y": quantity("accuracy", "accuracy", ".0%"), "shape": shape}
    return [
        {"mark": mark, "encoding": {"x": when, "y": level}},
        {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": span},
        {"mark": {"type": "point", "size": 110, "opacity": 1}, "encoding": value},
        # A batch without an accuracy stands at the bottom.
        {
            "transform": [{"filter": "datum.accuracy === null"}],
            "mark": {"type": "point", "size": 110, "opacity": 1},
            "encoding": shared | {"shape": shape, "y": {"value": 232}},
        },
    ]
