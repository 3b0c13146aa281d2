"""Smart pillbox: the lid, a hand above the tray, and what the tray weighs; together they tell that a dose was taken."""

from __future__ import annotations

from devices.energy.battery import Battery
from devices.kinds.common import BATTERY
from devices.kinds.gatt import BATTERY_LEVEL, MEASUREMENT_LOG, GattService
from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, Urgency, mdc

KIND = DeviceKind(
    name="smart_pillbox",
    label="Smart pillbox",
    icon="pillbox",
    power=Battery(
        capacity_mah=2_000,
        voltage_v=3.0,
        idle_w=0.8e-3,
        source="Two AA alkaline cells of 2,000 mAh; 0.27 mA for lid, infrared and load cell (E).",
    ),
    services=(GattService(MEASUREMENT_LOG, ("lid_open", "hand_present", "tray_weight")), BATTERY_LEVEL),
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
            urgency=Urgency.DOSE,
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
            urgency=Urgency.DOSE,
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
            urgency=Urgency.DOSE,
        ),
        BATTERY,
    ),
)
