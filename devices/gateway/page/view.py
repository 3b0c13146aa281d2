"""The page as HTML. Everything that is not a number of ours is escaped."""

from __future__ import annotations

from html import escape

from devices.gateway.page.snapshot import AlarmRow, DeviceRow, SendingRow, Snapshot, StopRow
from devices.gateway.page.words import RULE_NAMES, clock, size, span

LINES = {
    "connected": "Connected to the server",
    "silent": "The server does not answer",
    "cut off": "Cut off from the server",
    "refused": "The server refuses this gateway",
}


def page(shown: Snapshot, *, asks_pin: bool, said: str = "") -> str:
    """Return the whole page. said: what to tell about the last button."""
    title = f"Gateway {shown['gateway']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">'
        '<script type="module" src="/page.js"></script></head><body>'
        f"<header><h1>{title}</h1></header>"
        f"<main data-live>{main(shown, asks_pin=asks_pin, said=said)}</main></body></html>"
    )


def main(shown: Snapshot, *, asks_pin: bool, said: str = "") -> str:
    """Return what is inside <main>: the part that is fetched anew."""
    return "".join(
        [
            f'<p class="said" role="status">{escape(said)}</p>' if said else "",
            _line(shown),
            _alarms(shown, asks_pin),
            _stops(shown["stops"], asks_pin),
            _devices(shown["devices"]),
            _queue(shown),
            _sending(shown["sending"]),
            _rules(shown),
            f'<p class="quiet">{clock(shown["now"])} by this computer{_server_clock(shown)}. '
            f"Software {escape(shown['software'])}.</p>",
        ]
    )


def _server_clock(shown: Snapshot) -> str:
    ahead = shown["server_offset_s"]
    if ahead is None or abs(ahead) < 1.0:
        return ""
    return f"; the server's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"


def _line(shown: Snapshot) -> str:
    line = shown["line"]
    state = line["state"]
    why = f" The last reason: {escape(line['why'])}." if line["why"] and state != "connected" else ""
    kept = "" if state == "connected" else " What is measured waits on this disk, and the rules below go on."
    tone = "good" if state == "connected" else "bad"
    return (
        f'<section class="line {tone}"><h2><span class="mark" aria-hidden="true"></span>{LINES[state]}</h2>'
        f"<p>For {span(line['since_s'])}.{why}{kept}</p></section>"
    )


def _alarms(shown: Snapshot, asks_pin: bool) -> str:
    open_ones = [alarm for alarm in shown["alarms"] if not (alarm["acknowledged"] and alarm["over_at"] is not None)]
    disk = shown["disk"]
    full = ""
    if disk["doses_only"]:
        full = (
            '<article class="alarm pressing"><h3>Disk full</h3><p>Only dose events are still stored. '
            "Bring the line back, or give this gateway more room.</p></article>"
        )
    if not open_ones and not full:
        return '<section><h2>Alarms</h2><p class="quiet">No alarm.</p></section>'
    cards = "".join(_alarm(alarm, asks_pin) for alarm in open_ones[:20])
    return f'<section aria-live="polite"><h2>Alarms</h2>{full}{cards}</section>'


def _alarm(alarm: AlarmRow, asks_pin: bool) -> str:
    ended = "Its rule was switched off" if alarm["switched_off"] else "Over since"
    over = f" {ended} {clock(alarm['over_at'])}." if alarm["over_at"] is not None else ""
    cut = " while cut off from the server" if alarm["cut_off"] else ""
    tone = "pressing" if alarm["pressing"] and not alarm["acknowledged"] else "calm"
    button = (
        '<p class="quiet">Somebody has seen it.</p>'
        if alarm["acknowledged"]
        else _form("/acknowledge", "alarm", alarm["number"], "I have seen it", asks_pin)
    )
    return (
        f'<article class="alarm {tone}"><h3>{escape(RULE_NAMES.get(alarm["rule"], alarm["rule"]))}'
        f" · {escape(alarm['device'])}</h3>"
        f"<p><time>{clock(alarm['at'])}</time>{cut}: {escape(alarm['seen'])}.</p>"
        f"<p><strong>Done:</strong> {escape(alarm['done'])}.{over}</p>{button}</article>"
    )


def _stops(stops: list[StopRow], asks_pin: bool) -> str:
    if not stops:
        return ""
    cards = "".join(
        f'<article class="alarm pressing"><h3>{escape(stop["device"])}: '
        f"{'stopped' if stop['confirmed'] else 'asked to stop, no answer yet'}</h3>"
        f"<p>Since {clock(stop['at'])}. It runs again by itself when glucose has recovered.</p>"
        f"{_form('/resume', 'pump', stop['pump'], 'Give insulin again now', asks_pin)}</article>"
        for stop in stops
    )
    return f"<section><h2>Stopped pumps</h2>{cards}</section>"


def _form(action: str, name: str, value: int, words: str, asks_pin: bool) -> str:
    pin = (
        f'<label>PIN <input name="pin" type="password" inputmode="numeric" autocomplete="off" required '
        f'aria-label="PIN to confirm: {escape(words)}"></label>'
        if asks_pin
        else ""
    )
    return (
        f'<form method="post" action="{action}"><input type="hidden" name="{name}" value="{value}">{pin}'
        f"<button>{escape(words)}</button></form>"
    )


def _devices(devices: list[DeviceRow]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(row["label"])}</th>'
        f"<td>{'nothing yet' if row['age_s'] is None else span(row['age_s']) + ' ago'}</td>"
        f"<td>{'–' if row['battery_percent'] is None else format(row['battery_percent'], '.0f') + ' %'}</td>"
        f"<td>{escape(row['signal']) or '–'}</td><td>{escape(row['clock'])}</td></tr>"
        for row in devices
    )
    return (
        '<section><h2>Devices</h2><div class="frame" tabindex="0" role="region" aria-label="Devices"><table><thead><tr>'
        "<th>Device</th><th>Last reading</th><th>Battery</th><th>Signal</th><th>Clock</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _queue(shown: Snapshot) -> str:
    rows = "".join(
        f'<tr><th scope="row">{row["urgency"]}</th><td>{row["waiting"]}</td>'
        f"<td>{span(row['oldest_s']) if row['waiting'] else '–'}</td><td>{row['dropped']}</td></tr>"
        for row in shown["queue"]
    )
    disk = shown["disk"]
    held = f" {disk['held']} measurements wait in memory, because the disk takes none." if disk["held"] else ""
    return (
        '<section><h2>Waiting for the server</h2><div class="frame" tabindex="0" role="region" aria-label="Queue">'
        "<table><thead><tr><th>Urgency</th><th>Waiting</th><th>Oldest</th><th>Dropped</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        f"<p>Disk: {size(disk['used_bytes'])} of {size(disk['max_bytes'])}. Refused for good: {disk['dead']}.{held}</p>"
        "</section>"
    )


def _sending(sending: SendingRow | None) -> str:
    if sending is None:
        return ""
    why = "".join(f"<li>{escape(sentence)}</li>" for sentence in sending["why"])
    return f"<section><h2>How it sends</h2><p>{escape(sending['words'])}</p><ul>{why}</ul></section>"


def _rules(shown: Snapshot) -> str:
    acting = (
        "Acting is switched on: what the rules say is done."
        if shown["acts"]
        else "Acting is switched off: the rules give alarms, and no pump is stopped."
    )
    rows = "".join(f"<li>{escape(rule)}</li>" for rule in shown["rules"])
    return f"<section><h2>Rules</h2><p>{acting}</p><ul>{rows}</ul></section>"
