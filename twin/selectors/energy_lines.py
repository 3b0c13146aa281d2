"""The frames of a period over other lines and under other ciphers: what each would cost a patient's day.

What was sent is counted, and what a message adds on each line is measured; radio, processor and tail are modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.energy.cost import SEAL_BYTES
from devices.energy.lines import Way, ways
from devices.energy.links import LINKS, Link
from twin.selectors.energy import EnergySummary, Sums


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every way over the link that most frames took. a_day: frames of a patient's day. payload_bytes: their mean."""

    link: Link
    a_day: float
    payload_bytes: float
    ways: tuple[Way, ...]

    def joules_per_patient_day(self, way: Way) -> float:
        """Return what the frames of a patient's day cost on this way, in J."""
        return way.cost.total_j * self.a_day


def compare_lines(summary: EnergySummary) -> Comparison | None:
    """Return the comparison; None where nothing was sent for a patient over a link that speaks IP."""
    sent = [(LINKS[name], sums) for name, sums in summary.uplinks.items() if name in LINKS and sums.messages]
    over_ip = [pair for pair in sent if pair[0].stack_bytes]
    if not over_ip or not summary.patient_days:
        return None
    link, sums = max(over_ip, key=lambda pair: pair[1].messages)
    all_messages = sum(other.messages for _, other in sent)
    each = sums.payload_bytes / sums.messages
    found = tuple(ways(link, each, staying_j=_staying_j(link, sums)))
    return Comparison(link, all_messages / summary.patient_days, each, found)


def _staying_j(link: Link, sums: Sums) -> float:
    """Return what the radio spent on a message beside sending it: its tail, as the books have it, in J."""
    sending_j = link.send_j(sums.payload_bytes / sums.messages + SEAL_BYTES)
    return max(0.0, sums.radio_j / sums.messages - sending_j)
