"""Large-volume infusion pump: flow, volume infused, pressure in the line."""

from __future__ import annotations

from devices.kinds.common import BATTERY, PUMP_ALARM
from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, mdc

KIND = DeviceKind(
    name="infusion_pump",
    label="Infusion pump",
    icon="infusion-pump",
    measurements=(
        Measurement(
            key="infusion_rate",
            label="Infusion rate",
            code=mdc(Partition.SCADA, 26712),  # MDC_FLOW_FLUID_PUMP
            unit="mL/h",
            low=0,
            high=2000,
            period_s=10,
            decimals=1,
        ),
        Measurement(
            key="infused_volume",
            label="Volume infused",
            code=mdc(Partition.SCADA, 26921),  # MDC_VOL_FLUID_DELIV_TOTAL
            unit="mL",
            low=0,
            high=1_000_000,
            period_s=10,
            decimals=1,
            kind=Form.COUNTER,
        ),
        Measurement(
            key="line_pressure",
            label="Line pressure",
            code=mdc(Partition.PRIVATE, 3),
            unit="mm[Hg]",
            low=-250,
            high=1500,
            period_s=10,
        ),
        PUMP_ALARM,
        BATTERY,
    ),
)
