"""How a figure looks in this house: no frame, quiet grid, direct labels, drawn empty and failed states.

Figures carry no text or grid colour: static/css/analytics.css paints those from the tokens, so that a page follows the
theme at once. Series use a few middle tones that hold 3:1 on both grounds. None of them is an alarm colour or the
violet of simulated data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

TONES = ("#2a8f88", "#5f7fa8", "#8a7a4f", "#7d8a97", "#4f7d4a", "#a0694f")
MAIN = TONES[0]
THIN = 0.01  # of the whole: a thinner band is not a pixel high
BAR_SHARE = 0.85  # of a bucket's width; the rest is the gap
LEAST_BUCKETS = 12
DATES = [{"dtickrange": [None, None], "value": "%-d %b"}]
CLOCKS = [{"dtickrange": [None, 86_400_000], "value": "%H:%M\n%-d %b"}, *DATES]
CONFIG: Any = {"displayModeBar": False, "responsive": True, "doubleClick": "reset", "scrollZoom": False}
Figure = Any  # plotly declares no types


@dataclass(frozen=True, slots=True)
class Series:
    """One line or band over time: its name and the value of each bucket."""

    name: str
    values: Sequence[float]


def message(text: str) -> Figure:
    """Return an empty figure that says why it is empty."""
    figure = go.Figure()
    figure.update_layout(**_layout(), xaxis_visible=False, yaxis_visible=False)
    figure.add_annotation(text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, name="empty")
    return figure


def stacked(
    times: Sequence[datetime], series: Sequence[Series], unit: str, bucket: timedelta, proofs: Sequence[str] = ()
) -> Figure:
    """Return bars over time, one tone per series, named beside the last bar in the order in which they are stacked.

    Every bar starts at its time and is one `bucket` wide; a short history stands at the right of `LEAST_BUCKETS`, not
    blown up to the whole width. Series that are too thin to be seen share one bar; their own figures stand elsewhere.
    proofs: for each time where the rows behind it are shown.
    """
    figure = go.Figure()
    shown = _visible(series)
    for index, entry in enumerate(shown):
        tone = TONES[index % len(TONES)]
        figure.add_bar(
            x=list(times),
            y=list(entry.values),
            width=bucket / timedelta(milliseconds=1) * BAR_SHARE,
            offset=0,
            name=entry.name,
            meta={"evidence": list(proofs)},
            marker={"color": tone, "line": {"width": 0}},
            hovertemplate="%{y:.4~s} " + unit + "<extra>" + entry.name + "</extra>",
        )
        if len(shown) > 1:
            label = f"<span style='color:{tone}'>■</span> {entry.name}"
            place = {"x": 1.01, "y": 0.06 + 0.12 * index, "xref": "paper", "yref": "paper", "xanchor": "left"}
            figure.add_annotation(text=label, showarrow=False, **place)
    figure.update_layout(**_layout(), barmode="stack", hovermode="x unified", showlegend=False)
    figure.update_layout(margin_r=104 if len(shown) > 1 else 16)
    first, end = min(times), max(times) + bucket
    figure.update_xaxes(type="date", nticks=5, tickangle=0, range=[min(first, end - LEAST_BUCKETS * bucket), end])
    figure.update_xaxes(tickformatstops=DATES if bucket >= timedelta(days=1) else CLOCKS)
    figure.update_yaxes(ticksuffix=" J" if unit == "J" else "", rangemode="tozero", nticks=5)
    return figure


def _visible(series: Sequence[Series]) -> list[Series]:
    """Return the series, those under a hundredth of the whole summed into one at the end."""
    whole = sum(sum(entry.values) for entry in series)
    thick = [entry for entry in series if sum(entry.values) >= THIN * whole]
    thin = [entry for entry in series if sum(entry.values) < THIN * whole]
    if len(thin) < 2:
        return list(series)
    summed = [sum(values) for values in zip(*(entry.values for entry in thin), strict=True)]
    return [*thick, Series("others", summed)]


def bars(
    labels: Sequence[str], values: Sequence[float], unit: str, shown: Sequence[str], proofs: Sequence[str] = ()
) -> Figure:
    """Return horizontal bars, the first on top, each with its value written at its end.

    proofs: for each bar where the rows behind it are shown.
    """
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(range(len(labels))),
            orientation="h",
            text=list(shown),
            customdata=list(labels),
            meta={"evidence": list(proofs)},
            textposition="outside",
            cliponaxis=False,
            marker={"color": MAIN},
            hovertemplate="%{customdata}: %{text}<extra></extra>",
        )
    )
    figure.update_layout(**_layout(height=max(150, 44 + 30 * len(labels))), bargap=0.35, showlegend=False)
    figure.update_xaxes(title={"text": unit}, rangemode="tozero", nticks=4, range=[0, max([*values, 1e-12]) * 1.25])
    figure.update_yaxes(
        range=[len(labels) - 0.5, -0.5],  # the first on top
        showgrid=False,
        tickmode="array",
        tickvals=list(range(len(labels))),
        ticktext=[label if len(label) <= 22 else label[:21] + "…" for label in labels],
    )
    return figure


def _layout(height: int = 260) -> Mapping[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "template": "none",
        "xaxis": {"automargin": True, "zeroline": False},
        "yaxis": {"automargin": True, "zeroline": False},
        "hoverlabel": {"bgcolor": "#14181d", "font": {"color": "#e8ecf1"}, "bordercolor": "#14181d"},
        "uirevision": "kept",  # a refresh keeps the reader's zoom
        "dragmode": "zoom",
    }
