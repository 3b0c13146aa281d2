"""Smart pillbox: the lid, a hand above the tray, and what the tray weighs; together they tell that a dose was taken."""

from __future__ import annotations

from devices.kinds.common import BATTERY
from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, mdc

KIND = DeviceKind(
    name="smart_pillbox",
    label="Smart pillbox",
    icon="pillbox",
    measurements=(
        Measurement(
            key="lid_open",
            label="Lid",
            code=mdc(Partition.PRIVATE, 4),
            unit="1",
            low=0,
            high=1,
            period_s=0,
            kind=Form.ENUMERATION,
            values={0: "closed", 1: "open"},
        ),
        Measurement(
            key="hand_present",
            label="Hand",
            code=mdc(Partition.PRIVATE, 5),
            unit="1",
            low=0,
            high=1,
            period_s=0,
            kind=Form.ENUMERATION,
            values={0: "absent", 1: "present"},
        ),
        Measurement(
            key="tray_weight",
            label="Tray weight",
            code=mdc(Partition.PRIVATE, 6),
            unit="g",
            low=-5,  # a load cell drifts a little below its zero
            high=2000,
            period_s=300,
            decimals=2,
        ),
        BATTERY,
    ),
)
