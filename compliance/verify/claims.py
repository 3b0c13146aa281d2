"""What a bundle says of itself, held against the records in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from compliance.verify.bundle import About, Bundle, Entry
from compliance.verify.outcome import Line, broken, held, told
from compliance.verify.strict import Unreadable, strict_json


def summary_of(record: str) -> str:
    """Return when and what a record is, in a few words."""
    content = content_of(record)
    return " ".join(str(content[name]) for name in ("at", "kind", "code") if name in content) or "an unnamed record"


def content_of(record: str) -> dict[str, Any]:
    """Return what a record says, nothing when it is no object of JSON."""
    try:
        content = strict_json(record)
    except Unreadable:
        return {}
    return content if isinstance(content, dict) else {}


def claim_lines(bundle: Bundle) -> Iterator[Line]:
    """Check count, order and what the bundle says it is about."""
    places = [entry.index for entry in bundle.entries]
    if bundle.count != len(places):
        yield broken("count", f"The bundle should hold {bundle.count} entries and holds {len(places)}.")
    if len(set(places)) != len(places):
        yield broken("entry_twice", "An entry stands in the bundle twice.")
    elif places != sorted(places):
        yield broken("order", "The entries are not in the log's order.")
    if not places:
        yield broken("nothing", "The bundle holds no entry.")
    yield from _about_lines(bundle, places)


def _about_lines(bundle: Bundle, places: list[int]) -> Iterator[Line]:
    about = bundle.about
    if about.first is not None and about.last is not None:
        whole = len(places) == about.last - about.first + 1 and places == list(range(about.first, about.last + 1))
        words = f"from {about.first} to {about.last}"
        if whole:
            yield held("stretch", f"Every entry {words} is here.")
        else:
            yield broken("stretch", f"Not every entry {words} is here, or others are.")
    strangers = [entry.index for entry in bundle.entries if not _belongs(entry, about)]
    if strangers:
        some = ", ".join(map(str, strangers[:5]))
        yield broken("about", f"Entries that are not what the bundle is about: {some}.")
    elif about != About() and any(entry.opened for entry in bundle.entries):
        yield held("about", f"Every record that is here is of {_about_words(about)}.")
    if about.first is None and about.event is None:
        yield told("completeness", "That nothing was left out cannot be proved: the log has no index by person.")


def _belongs(entry: Entry, about: About) -> bool:
    """Tell whether a record is what the bundle claims to be about; an absent one cannot contradict."""
    if entry.opened is None:
        return True
    content = content_of(entry.opened.record)
    if about.event is not None and content.get("event") != about.event:
        return False
    if about.patient is not None and content.get("patient") != about.patient:
        return False
    return _within(content.get("at"), about)


def _within(at: Any, about: About) -> bool:
    if about.since is None and about.until is None:
        return True
    try:
        moment = datetime.fromisoformat(at)
        return (about.since is None or moment >= about.since) and (about.until is None or moment <= about.until)
    except (TypeError, ValueError):
        return False


def _about_words(about: About) -> str:
    parts = [
        f"event {about.event}" if about.event is not None else "",
        f"patient {about.patient}" if about.patient is not None else "",
        f"the time from {about.since.isoformat()}" if about.since else "",
        f"the time to {about.until.isoformat()}" if about.until else "",
        f"places {about.first} to {about.last}" if about.first is not None else "",
    ]
    return ", ".join(part for part in parts if part)
