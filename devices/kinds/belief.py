"""For how long the ward believes what devices of a kind say, and with it how long a gateway may hold it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from devices.kinds.measurement import stale_after_s
from devices.kinds.registry import KINDS, Form


def believed_s(kinds: Iterable[str]) -> float:
    """Return how long every value that devices of these kinds report by themselves is believed without a newer one, s.

    Without end when all they report comes with events.
    """
    known = [KINDS[kind] for kind in kinds if kind in KINDS]
    measured = [one for kind in known for one in kind.measurements if one.kind is not Form.WAVEFORM]
    return min((stale_after_s(one.period_s) for one in measured if one.period_s), default=math.inf)
