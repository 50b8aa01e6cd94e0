"""Interactive charts: small helpers that build Vega-Lite specifications in one theme."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metaflow.cards import VegaChart

from fmnist_lib.common.plotting import ALERT, PRIMARY, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rows = Sequence[Mapping[str, Any]]
    Channel = dict[str, Any]

#: `style.css` colours the text and the grid, which follow the page into dark mode.
_THEME = {
    # As `common.formatting.percent` writes it.
    "locale": {
        "number": {
            "decimal": ".",
            "thousands": ",",
            "grouping": [3],
            "currency": ["", ""],
            "percent": " %",
        }
    },
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 400,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "labelLimit": 150,
        "aria": False,
    },
    "legend": {"labelFontSize": 12, "orient": "top", "title": None, "columns": 3, "aria": False},
    # The description stands for the whole chart: a screen reader would read every mark otherwise.
    "mark": {"aria": False},
    "point": {"filled": True, "opacity": 0.9},
    "range": {"category": [PRIMARY, ALERT, "#7a5fc0", "#1d9a6c", SECONDARY, "#b08900", "#c2518f"]},
}


def spec(description: str, values: Rows, layers: Sequence[Channel], height: int) -> dict[str, Any]:
    """Return a Vega-Lite specification in the project's theme.

    Parameters
    ----------
    description : str
        What the chart shows, with its main numbers: its text alternative.
    values : sequence of mapping
        Rows of data.
    layers : sequence of dict
        Views, drawn over each other.
    height : int
        Pixels; the width is that of the card.

    References
    ----------
    https://vega.github.io/vega-lite/docs/
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": description,
        "width": "container",
        "height": height,
        "background": "transparent",
        "data": {"values": [{key: _plain(one) for key, one in row.items()} for row in values]},
        "layer": list(layers),
        "config": _THEME,
    }


def _plain(value: Any) -> Any:
    """Return a value that JSON has: no NumPy type, and nothing for a number that is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def quantity(field: str, title: str, number_format: str = "d") -> Channel:
    """Return a quantitative channel, whose axis need not begin at zero."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False},
        "axis": {"format": number_format, "tickCount": 6},
    }


def tooltip(**formats: str) -> list[Channel]:
    """Return a tooltip with these fields and number formats; an empty format is for text."""
    return [
        {"field": field, "title": field.replace("_", " "), **({"format": one} if one else {})}
        for field, one in formats.items()
    ]


def intervals(
    description: str,
    values: Rows,
    title: str,
    *,
    name: str,
    details: Sequence[Channel],
    number_format: str = ".0%",
    target: float | None = None,
) -> VegaChart:
    """Build a chart of estimates with their intervals, one row each, in the order of the data.

    Parameters
    ----------
    description : str
        See `spec`.
    values : sequence of mapping
        Each with ``value``, ``low`` and ``high``, and optionally ``colour``: "primary" (the
        default), "secondary" or "alert".
    title : str
        Of the axis, with the unit.
    name : str
        Field that names the rows.
    details : sequence of dict
        See `tooltip`.
    number_format : str
        https://d3js.org/d3-format
    target : float, optional
        Value that a dashed line marks.
    """
    rows = [{"colour": "primary"} | dict(row) for row in values]
    y = {"field": name, "type": "nominal", "sort": None, "title": None}
    colour = {
        "field": "colour",
        "type": "nominal",
        "legend": None,
        "scale": {
            "domain": ["primary", "secondary", "alert"],
            "range": [PRIMARY, SECONDARY, ALERT],
        },
    }
    shared = {"y": y, "color": colour, "tooltip": list(details)}
    line = {"x": quantity("low", title, number_format), "x2": {"field": "high"}}
    layers: list[Channel] = [
        {"mark": {"type": "rule", "strokeWidth": 2.5}, "encoding": shared | line},
        {
            "mark": {"type": "point", "size": 90, "opacity": 1},
            "encoding": shared | {"x": quantity("value", title, number_format)},
        },
    ]
    if target is not None:
        mark: Channel = {"type": "rule", "strokeDash": [4, 4], "color": SECONDARY}
        layers.insert(0, {"mark": mark, "encoding": {"x": {"datum": target}}})
    return VegaChart(spec(description, rows, layers, 12 + 26 * max(len(rows), 1)))


def points(
    description: str,
    values: Rows,
    x: Channel,
    y: Channel,
    *,
    colour: str,
    details: Sequence[Channel],
) -> VegaChart:
    """Build a chart of points, coloured by a field; see `spec`."""
    encoding = {
        "x": x,
        "y": y,
        "color": {"field": colour, "type": "nominal"},
        "tooltip": list(details),
    }
    return VegaChart(
        spec(
            description,
            values,
            [{"mark": {"type": "point", "size": 45}, "encoding": encoding}],
            240,
        )
    )


def line_with_intervals(
    description: str,
    values: Rows,
    x: Channel,
    title: str,
    *,
    details: Sequence[Channel],
) -> VegaChart:
    """Build a line through estimates, with their intervals.

    Parameters
    ----------
    description : str
        See `spec`.
    values : sequence of mapping
        Each with the field of ``x``, ``accuracy``, ``low`` and ``high``.
    x : dict
        See `quantity`.
    title : str
        Of the vertical axis, with the unit.
    details : sequence of dict
        See `tooltip`.
    """
    shared = {"x": x, "tooltip": list(details)}
    value = shared | {"y": quantity("accuracy", title, ".1%")}
    span = shared | {"y": quantity("low", title, ".1%"), "y2": {"field": "high"}}
    layers: list[Channel] = [
        {"mark": {"type": "rule", "color": PRIMARY, "strokeWidth": 2.5}, "encoding": span},
        {"mark": {"type": "line", "color": PRIMARY}, "encoding": value},
        {"mark": {"type": "point", "size": 70, "color": PRIMARY}, "encoding": value},
    ]
    return VegaChart(spec(description, values, layers, 220))


def lines_with_intervals(
    description: str,
    values: Rows,
    x: Channel,
    title: str,
    *,
    colour: str,
    details: Sequence[Channel],
    show_intervals: bool = False,
) -> VegaChart:
    """Build several lines through estimates, one per value of a field.

    Parameters
    ----------
    description, values, x, title, details
        See `line_with_intervals`.
    colour : str
        Field that tells the lines apart.
    show_intervals : bool
        Draw bands between ``low`` and ``high``: for few lines.
    """
    hue = {"field": colour, "type": "nominal", "sort": None, "legend": {"symbolOpacity": 1}}
    shared = {"x": x, "color": hue}
    value = shared | {"y": quantity("accuracy", title, ".0%")}
    span = shared | {"y": quantity("low", title, ".0%"), "y2": {"field": "high"}}
    band: list[Channel] = [{"mark": {"type": "area", "opacity": 0.15}, "encoding": span}]
    layers: list[Channel] = [
        *(band if show_intervals else []),
        {"mark": {"type": "line"}, "encoding": value},
        {"mark": {"type": "point", "size": 60}, "encoding": value | {"tooltip": list(details)}},
    ]
    return VegaChart(spec(description, values, layers, 260))


def bars(
    description: str, values: Rows, x: Channel, *, name: str, details: Sequence[Channel]
) -> VegaChart:
    """Build a chart of horizontal bars in the order of the data; see `spec`."""
    encoding = {
        "y": {"field": name, "type": "nominal", "sort": None, "title": None},
        "x": x | {"scale": {"zero": True}},
        "tooltip": list(details),
    }
    mark = {"type": "bar", "color": PRIMARY, "height": {"band": 0.6}}
    return VegaChart(
        spec(description, values, [{"mark": mark, "encoding": encoding}], 12 + 26 * len(values))
    )


def heatmap(description: str, values: Rows, domain: tuple[float, float] | None = None) -> VegaChart:
    """Build a matrix of shares, as coloured cells with their numbers.

    Parameters
    ----------
    description : str
        See `spec`.
    values : sequence of mapping
        One per cell, row by row: ``row``, ``column`` and ``share`` in [0, 1].
    domain : tuple of float, optional
        Shares of the lightest and the darkest colour; default: the smallest and the largest.
    """
    shares = [row["share"] for row in values]
    lightest, darkest = domain or (min(shares), max(shares))
    axis: Channel = {"type": "nominal", "sort": None, "title": None}
    cell: Channel = {
        "x": axis | {"field": "column", "axis": {"labelAngle": -20}},
        "y": axis | {"field": "row"},
        "tooltip": tooltip(row="", column="", share=".1%"),
    }
    shade: Channel = {
        "field": "share",
        "type": "quantitative",
        "scale": {"scheme": "blues", "domain": [lightest, darkest]},
        "legend": None,
    }
    # The scheme is light at low shares.
    middle = (lightest + darkest) / 2
    ink = {"condition": {"test": f"datum.share > {middle}", "value": "#ffffff"}, "value": "#17202b"}
    number = {"field": "share", "type": "quantitative", "format": ".0%"}
    layers: list[Channel] = [
        {"mark": "rect", "encoding": cell | {"color": shade}},
        {
            "mark": {"type": "text", "fontSize": 12},
            "encoding": cell | {"text": number, "color": ink},
        },
    ]
    n_rows = len({row["row"] for row in values})
    return VegaChart(spec(description, values, layers, 40 + 36 * n_rows))
