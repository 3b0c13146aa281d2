"""Large-volume infusion pump: flow, volume infused, pressure in the line."""

from __future__ import annotations

from devices.energy.battery import Battery
from devices.kinds.common import BATTERY, PUMP_ALARM
from devices.kinds.gatt import BATTERY_LEVEL, MEASUREMENT_LOG, GattService
from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, Urgency, mdc

KIND = DeviceKind(
    name="infusion_pump",
    label="Infusion pump",
    icon="infusion-pump",
    power=Battery(
        capacity_mah=4_400,
        voltage_v=7.2,
        idle_w=3.0,
        source="A lithium-ion pack of 4,400 mAh at 7.2 V; 3 W for motor and display (E).",
    ),
    services=(
        GattService(MEASUREMENT_LOG, ("infusion_rate", "infused_volume", "line_pressure", "pump_alarm")),
        BATTERY_LEVEL,
    ),
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
            urgency=Urgency.DOSE,
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
