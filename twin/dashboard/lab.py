"""What security costs in time and keeps under attack: the run that the lab keeps, as a part of the energy page."""

from __future__ import annotations

from collections.abc import Callable

from dash import html

from devices.energy.measured import ATTACKS, NONE, Cell, Measured, Spread, figures, in_words
from twin.dashboard.parts import Component, Row, table

HEAD = (
    "Attack",
    "Security",
    "Reading durable",
    "Danger to alert",
    "Arrive in 2 s",
    "Fresh and true",
    "False",
    "Named after",
)
Figure = Callable[[Cell], Spread | None]
Words = Callable[[Spread], str]


def _ms(spread: Spread) -> str:
    """Return milliseconds, or seconds where they are many."""
    if spread.median >= 1000.0:
        return _s(Spread(*(value / 1000.0 for value in (spread.median, spread.low, spread.high))))
    return f"{figures(spread.median)} ms ({figures(spread.low)}–{figures(spread.high)})"


def _s(spread: Spread) -> str:
    return f"{figures(spread.median)} s ({figures(spread.low)}–{figures(spread.high)})"


def _share(spread: Spread) -> str:
    low, high = (round(100.0 * value) for value in (spread.low, spread.high))
    middle = f"{100.0 * spread.median:.0f} %"
    return middle if low == high else f"{middle} ({low}–{high})"


COLUMNS: tuple[tuple[Figure, Words], ...] = (
    (lambda cell: cell.latency_ms, _ms),
    (lambda cell: cell.alert_ms, _ms),
    (lambda cell: cell.arrived, _share),
    (lambda cell: cell.true, _share),
    (lambda cell: cell.false, _share),
    (lambda cell: cell.named_s, _s),
)


def lab_card(run: Measured) -> Component:
    """Return what was measured, first in words, then as a table, then where it comes from."""
    return html.Div(
        [
            html.Ul([html.Li(sentence) for sentence in in_words(run)]),
            table(HEAD, [row for attack in run.attacks for row in _rows(run, attack)], numbers=range(2, len(HEAD))),
            html.P(_about(run), className="muted small"),
        ],
        className="stack lab",
    )


def _rows(run: Measured, attack: str) -> list[Row]:
    with_it, without = run.of(attack, secured=True), run.of(attack, secured=False)
    return [
        (ATTACKS[attack], "as it is", *(_cell(of, words, with_it) for of, words in COLUMNS)),
        ("", "without", *(_cell(of, words, without, with_it) for of, words in COLUMNS)),
    ]


def _cell(of: Figure, words: Words, cell: Cell, other: Cell | None = None) -> Component:
    """Return a figure in words; beside the `other` it says where the difference is no more than the noise."""
    spread, against = of(cell), None if other is None else of(other)
    if spread is None:
        return "–" if cell.attack == NONE else "never"
    if against is None or spread.apart(against) or spread == against:
        return words(spread)
    return [words(spread), html.Br(), html.Span("within the noise", className="muted small")]


def _about(run: Measured) -> str:
    return (
        f"Measured in the lab, synthetic traffic: {run.gateways} gateways, {run.repeats} repeats of {run.seconds:g} s "
        f"in an order that was drawn (seed {run.seed}), middle and whole range; every gateway loses its line once and "
        f"comes back. With: gateways that sign in with a registered key and seal under the keys of their devices' "
        f"registration; the greeting of paired gateways, which agrees on new keys, is not in it. Without: the same "
        f"path with nothing sealed, nobody asked who he is, and no bounds on strangers. "
        f"Crowds of {run.strangers:,} against servers that may open {run.files:,} files. Fresh: at most two seconds "
        f"old; true: what the device measured. No TLS on either side. On {run.machine}. {run.command}"
    )
