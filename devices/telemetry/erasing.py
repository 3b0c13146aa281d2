"""Which of a device's rows belong to whoever wore it for a while, and how their frames are cut out of their groups."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from devices.telemetry.frames import FrameGroup


class Aged(StrEnum):
    """What gets over age in the store."""

    READINGS = "readings"  # counted in spans: ten minutes of a device
    WAVEFORMS = "waveforms"  # counted in blocks


class Worn(NamedTuple):
    """One device on one person, from `t_from` up to but not at `t_to`, s since the Unix epoch."""

    device: int
    t_from: float
    t_to: float


# Whose a reading is, says the earlier of its own time and that of its arrival; see devices/selectors/worn.py.
_READINGS = "device = {device} and {least}(t, received) >= {t_from} and {least}(t, received) < {t_to}"
_BLOCKS = "device = {device} and t0 >= {t_from} and t0 < {t_to}"


def conditions(mark: str, least: str) -> tuple[str, str]:
    """Return the conditions on readings (and newest values) and on waveform blocks.

    mark: the engine's way to write a named parameter, such as ":%s"; least: its name for the smaller of two.
    """
    names = {name: mark % name for name in Worn._fields}
    return _READINGS.format(**names, least=least), _BLOCKS.format(**names)


def without(group: FrameGroup, device: int, seqs: Iterable[int]) -> FrameGroup | None:
    """Return the group without the bytes of the frames that brought these readings; None when they were cut before.

    Hashes stay, so that the root over the group still holds. A frame that also brought a reading of the next wearer
    goes as a whole: that reading stays, and has lost its frame.
    """
    entries = group.entries.copy()
    wanted = np.fromiter(seqs, np.uint64)
    first, count = entries["first"], entries["count"].astype(np.uint64)
    brought = ((wanted[:, None] >= first) & (wanted[:, None] < first + count)).any(axis=0)
    cut = (entries["device"] == device) & brought & (entries["length"] > 0)
    if not cut.any():
        return None
    kept = None
    if group.frames is not None:
        kept = b"".join(group.frame(place) or b"" for place in np.flatnonzero(~cut).tolist())
    entries["length"][cut] = 0
    return FrameGroup(entries, group.hashes, group.sessions, kept, group.heard)
