"""Which spans a writer has already stored, so that nearly every commit stores none."""

from __future__ import annotations

from collections.abc import Iterable

from devices.telemetry.batch import Span

STEP = 256  # a power of two; a search by time reads up to this many rows too many at either end
MOST_REMEMBERED = 50_000  # then it starts anew: a span that is stored twice costs time, nothing else


class SpanBook:
    """The spans of one database that its writer knows to be stored. They only ever widen, so the book stays true.

    A span is stored wider than its readings need, in whole steps: most groups then fall within what is there.
    """

    def __init__(self) -> None:
        self._stored: dict[tuple[int, int], tuple[int, int]] = {}

    def missing(self, spans: Iterable[Span]) -> list[Span]:
        """Return what has to be stored for `spans` to be covered."""
        wanted = []
        for span in spans:
            first, last = self._stored.get(span[:2], (span.first, -1))
            if span.first < first or span.last > last:
                wanted.append(span._replace(first=span.first & -STEP, last=span.last | STEP - 1))
        return wanted

    def remember(self, stored: Iterable[Span]) -> None:
        """Take note of spans whose transaction was committed."""
        if len(self._stored) > MOST_REMEMBERED:
            self._stored.clear()
        for span in stored:
            first, last = self._stored.get(span[:2], (span.first, span.last))
            self._stored[span.bucket, span.stream] = (min(first, span.first), max(last, span.last))
