"""How a figure looks in this house: no frame, quiet grid, direct labels, drawn empty and failed states.

Figures carry no text or grid colour: static/css/analytics.css paints those from the tokens, so that a page follows the
theme at once. Series use a few middle tones that hold 3:1 on both grounds. None of them is an alarm colour or the
violet of simulated data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

TONES = ("#2a8f88", "#5f7fa8", "#8a7a4f", "#7d8a97", "#4f7d4a", "#a0694f")
MAIN, OTHER = TONES[0], TONES[3]
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


def stacked(times: Sequence[datetime], series: Sequence[Series], unit: str) -> Figure:
    """Return bars over time, one tone per series, labelled at their right end."""
    figure = go.Figure()
    for tone, entry in zip(_tones(len(series)), series, strict=True):
        figure.add_bar(
            x=list(times),
            y=list(entry.values),
            name=entry.name,
            marker={"color": tone, "line": {"width": 0}},
            hovertemplate="%{y:.4~s} " + unit + "<extra>" + entry.name + "</extra>",
        )
    figure.update_layout(**_layout(), barmode="stack", bargap=0.15, hovermode="x unified", showlegend=len(series) > 1)
    figure.update_xaxes(type="date", nticks=6)
    figure.update_yaxes(title={"text": unit}, rangemode="tozero", nticks=5)
    return figure


def bars(labels: Sequence[str], values: Sequence[float], unit: str, shown: Sequence[str]) -> Figure:
    """Return horizontal bars, the first on top, each with its value written at its end."""
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(range(len(labels))),
            orientation="h",
            text=list(shown),
            customdata=list(labels),
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


def _tones(count: int) -> list[str]:
    return [TONES[index % len(TONES)] for index in range(count)]


def _layout(height: int = 260) -> Mapping[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "template": "none",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"automargin": True, "zeroline": False},
        "yaxis": {"automargin": True, "zeroline": False},
        "hoverlabel": {"bgcolor": "#14181d", "font": {"color": "#e8ecf1"}, "bordercolor": "#14181d"},
        "uirevision": "kept",  # a refresh keeps the reader's zoom
        "dragmode": "zoom",
    }
