"""What a device lives on: a battery, what it draws when nobody asks, and how long that lasts with sending on top."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

DAY_S = 86_400.0
MONTH_S = 30.4 * DAY_S


@dataclass(frozen=True, slots=True)
class Battery:
    """One charge. source: where the figures come from, marked as in `devices.energy.links`.

    idle_w: sensor, clock and sleep together, in W: what is drawn whether or not anything is sent. usable: the share of
    the capacity after which the device switches itself off.
    """

    capacity_mah: float
    voltage_v: float
    idle_w: float
    source: str
    usable: float = 0.9
    self_discharge_per_month: float = 0.02

    @property
    def usable_j(self) -> float:
        """Energy between full and switched off, in J."""
        return self.capacity_mah * 3.6 * self.voltage_v * self.usable

    @property
    def leak_w(self) -> float:
        """What the cell loses by itself, in W."""
        return self.capacity_mah * 3.6 * self.voltage_v * self.self_discharge_per_month / MONTH_S

    def life_s(self, sending_w: float, level: float = 1.0) -> float:
        """Return how long the battery lasts from `level` (1 is full) while sending takes `sending_w`, in s.

        Raises ValueError for a negative power or a level outside 0..1.
        """
        if sending_w < 0 or not 0 <= level <= 1:
            raise ValueError("a power is not negative, and a level lies between 0 and 1")
        drawn_w = self.idle_w + self.leak_w + sending_w
        return self.usable_j * level / drawn_w if drawn_w else inf
