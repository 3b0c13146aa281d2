"""In which order waiting batches take a narrow line: the most urgent first, and nothing waits for ever.

Of sixteen frames one is bulk and three are telemetry, when such wait; all others go by urgency. Some credit is kept for
what is urgent, so that a dose event never finds the line full of waveforms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.gateway.queue import Batch
from devices.kinds.registry import Urgency

BULK_EVERY = 16
TELEMETRY_EVERY = 4
KEPT_PART = 8  # one eighth of the credit is for dose events, alarms and urgent images
PRESSING = (Urgency.DOSE, Urgency.ALARM, Urgency.URGENT)
CALM = (Urgency.TELEMETRY, Urgency.BULK)


class Turns:
    """Whose turn it is, over the life of one connection."""

    def __init__(self) -> None:
        self._turn = 0

    def pick(self, waiting: Mapping[Urgency, Sequence[Batch]], room: int, kept: int = 0) -> list[Batch]:
        """Return up to `room` batches in the order in which they shall leave.

        waiting: of each urgency the oldest first. kept: how many of `room` only pressing batches may use.
        """
        lines = {urgency: list(batches)[::-1] for urgency, batches in waiting.items()}
        picked: list[Batch] = []
        while len(picked) < room and (urgency := self._next(lines, room - len(picked) <= kept)) is not None:
            picked.append(lines[urgency].pop())
        return picked

    def _next(self, lines: Mapping[Urgency, list[Batch]], pressing_only: bool) -> Urgency | None:
        order = list(PRESSING if pressing_only else Urgency)
        if not pressing_only:
            self._turn += 1
            if self._turn % BULK_EVERY == 0:
                order.insert(0, Urgency.BULK)
            elif self._turn % TELEMETRY_EVERY == 0:
                order.insert(0, Urgency.TELEMETRY)
        return next((urgency for urgency in order if lines.get(urgency)), None)


def kept_of(credit: int) -> int:
    """Return how much of a credit is kept for what is urgent."""
    return credit // KEPT_PART
