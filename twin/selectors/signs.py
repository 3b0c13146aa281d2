"""How each device is: can we hear it, has it power, do we trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState
from twin.alerts.silence import LOST_FLOOR_S, LOST_PERIODS
from twin.selectors.vitals import Latest

LOW_BATTERY_PERCENT = 20.0


@dataclass(frozen=True, slots=True)
class Sign:
    """One device as a dot with words. heard_at: s since the Unix epoch, server time; battery in percent."""

    device: Device
    kind_label: str
    icon: str
    heard_at: float | None
    heard: bool
    battery: float | None
    quiet_after_s: float

    @property
    def trusted(self) -> bool:
        """Tell whether the device's frames are accepted."""
        return self.device.state == DeviceState.ACTIVE

    @property
    def low_battery(self) -> bool:
        """Tell whether the battery needs somebody."""
        return self.battery is not None and self.battery < LOW_BATTERY_PERCENT

    @property
    def words(self) -> str:
        """The state in words: what the dot means."""
        if not self.trusted:
            return f"{self.device.state}: its readings are refused"
        if not self.heard:
            return "not heard"
        return f"battery {self.battery:.0f} %" if self.low_battery else "connected"

    @property
    def dot(self) -> str:
        """The dot's class: full when all is well, hollow when silent, a turned square when in doubt."""
        if not self.trusted:
            return "doubt"
        return "" if self.heard else "off"


def quiet_after_s(kind: str) -> float:
    """Return after how many silent seconds a device of that kind counts as not heard: as long as no alert says so."""
    periods = [measurement.period_s for measurement in KINDS[kind].measurements if measurement.period_s > 0]
    return max(LOST_PERIODS * min(periods, default=0.0), LOST_FLOOR_S)


def signs_of(devices: Sequence[Device], latest: Latest, now: float) -> list[Sign]:
    """Return one sign per device, in the order given."""
    return [_sign(device, latest, now) for device in devices]


def _sign(device: Device, latest: Latest, now: float) -> Sign:
    kind = KINDS[device.kind]
    found = [(m, r) for m in kind.measurements if (r := latest.get((device.pk, m.code))) is not None]
    heard_at = max((reading.received for _, reading in found), default=None)
    quiet = quiet_after_s(device.kind)
    return Sign(
        device=device,
        kind_label=kind.label,
        icon=kind.icon,
        heard_at=heard_at,
        heard=heard_at is not None and now - heard_at <= quiet,
        battery=next((reading.value for m, reading in found if m.key == "battery"), None),
        quiet_after_s=quiet,
    )
