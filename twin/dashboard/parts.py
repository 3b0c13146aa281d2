"""The pieces that all three pages are laid out from, and the guard that every callback passes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlencode

from dash import Input, Output, dcc, html, no_update
from django.db import DatabaseError
from django.urls import reverse

from compliance.errors import NotPermitted
from compliance.models import User
from compliance.selectors import scope_for
from twin.dashboard.figures import CONFIG, message
from twin.dashboard.mount import HouseDash, person
from twin.selectors.analytics import Filters

log = logging.getLogger(__name__)
Component = Any  # dash declares no types for its components
Row = Sequence[Component]
REFRESH_MS = 15_000
Proof = Callable[..., str]  # keyword arguments of `evidence_of` -> address
Answer = TypeVar("Answer", bound=tuple[Any, ...])


def tile(label: str, value: str, unit: str = "", note: str = "", evidence: str = "") -> Component:
    """Return one large figure with its unit and what it means; `evidence` is where what was counted is shown."""
    number: list[Component] = [value, " ", html.Span(unit, className="unit")] if unit else [value]
    shown = counted(number, evidence, "value") if evidence else html.Span(number, className="value")
    return html.Div(
        [html.Span(label, className="label"), shown, html.Span(note, className="age")], className="card tile"
    )


def counted(number: Component, evidence: str, style: str = "plain") -> Component:
    """Return a figure that opens what was counted for it."""
    marks: dict[str, Any] = {"data-evidence": "", "data-number": ""}
    return html.A(number, href=evidence, className=style, title="What was counted for this", **marks)


def evidence_of(page: str, filters: Filters, **part: object) -> str:
    """Return where the rows behind a figure of a page are shown: the page's filters, and the figure's part of them.

    part: `since` and `until` as datetimes, and what else twin.selectors.figure_evidence.Part reads.
    """
    asked = {"period": filters.period.key, "ward": filters.ward_id, "kind": filters.kind}
    times = {new: part.pop(name).timestamp() for name, new in (("since", "from"), ("until", "to")) if name in part}  # type: ignore[attr-defined]
    named = {name: value for name, value in {**asked, **times, **part}.items() if value is not None}
    return f"{reverse('twin:figure_evidence', args=[page])}?{urlencode(named)}"


def card(title: str, note: str, *children: Component, span: str = "span-6") -> Component:
    """Return a titled card of the grid."""
    head = html.Header([html.H2(title), html.Span(note, className="muted small")])
    return html.Section([head, *children], className=f"card {span}")


def graph(identity: str, about: str) -> Component:
    """Return a figure that says that it is loading until its callback answers, and a place for its table."""
    figure = dcc.Graph(id=identity, figure=message("Loading …"), config=CONFIG, className="figure")
    labelled: dict[str, Any] = {"aria-label": about}
    # static/js/analytics.js fills the table from the figure: every point of it, each with a way to what was counted.
    rows = html.Details([html.Summary("As a table"), html.Div(className="figure-table")], className="figure-rows")
    return html.Div([html.Div(figure, role="figure", **labelled), rows])


def table(head: Sequence[str], rows: Sequence[Row], numbers: Sequence[int] = (), empty: str = "") -> Component:
    """Return a table; `numbers` are the columns that hold figures. Without rows it says `empty` instead."""
    if not rows:
        return html.P(empty, className="empty compact")

    def cells(kind: Any, row: Row) -> list[Component]:
        return [kind(cell, className="number" if index in numbers else "") for index, cell in enumerate(row)]

    body = html.Tbody([html.Tr(cells(html.Td, row)) for row in rows])
    return html.Div(html.Table([html.Thead(html.Tr(cells(html.Th, head))), body]), className="table-frame", tabIndex=0)


def frame(tiles: str, *cards: Component) -> Component:
    """Return a page: where the URL is read, the refresh, what went wrong, the tiles, the cards."""
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="refresh", interval=REFRESH_MS),
            html.Div(id="problem", role="status"),
            html.Div(id=tiles, className="tiles"),
            html.Div(cards, className="grid"),
        ],
        className="stack analytics",
    )


def answers(page: HouseDash, *outputs: Output) -> Callable[[Callable[[User, Filters], Answer]], Callable[..., Any]]:
    """Register the function that fills a page. It gets the user, whose right was asked again, and the URL's filters.

    What fails is said on the page, above figures that keep what they showed; it is never a blank.
    """

    def register(fill: Callable[[User, Filters], Answer]) -> Callable[..., Any]:
        @page.callback(Output("problem", "children"), *outputs, Input("url", "search"), Input("refresh", "n_intervals"))
        @wraps(fill)
        def callback(search: str | None, _tick: int | None) -> tuple[Any, ...]:
            user = person()
            if scope_for(user, page.action).empty:
                raise NotPermitted
            try:
                return (None, *fill(user, Filters.read(search, page.period)))
            except DatabaseError:
                log.exception("the %s page could not read its figures", page.slug)
                return (_problem(), *([no_update] * len(outputs)))

        registered: Callable[..., Any] = callback
        return registered

    return register


def _problem() -> Component:
    return html.P(
        "The figures could not be read just now. What you see is the last answer; the page tries again by itself.",
        className="message",
    )
