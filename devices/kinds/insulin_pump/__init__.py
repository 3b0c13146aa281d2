"""Insulin pump (ISO/IEEE 11073-10419): basal rate, completed boluses, total delivered, reservoir."""

from __future__ import annotations

from devices.energy.battery import Battery
from devices.kinds.common import BATTERY, PUMP_ALARM
from devices.kinds.gatt import BATTERY_LEVEL, INSULIN_DELIVERY, GattService
from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, Urgency, mdc

KIND = DeviceKind(
    name="insulin_pump",
    label="Insulin pump",
    icon="insulin-pump",
    power=Battery(
        capacity_mah=2_800,
        voltage_v=1.5,
        idle_w=3e-3,
        source="One AA lithium cell of 2,800 mAh; 2 mA for motor, display and sleep together (E).",
    ),
    services=(
        GattService(
            INSULIN_DELIVERY,
            ("insulin_rate", "insulin_bolus", "insulin_delivered", "insulin_reservoir", "pump_alarm"),
        ),
        BATTERY_LEVEL,
    ),
    measurements=(
        Measurement(
            key="insulin_rate",
            label="Basal rate",
            code=mdc(Partition.PHD_DISEASE_MANAGEMENT, 29680),  # MDC_INS_BASAL
            unit="[iU]/h",
            low=0,
            high=35,
            period_s=60,
            decimals=2,
        ),
        Measurement(
            key="insulin_bolus",
            label="Bolus",
            code=mdc(Partition.PHD_DISEASE_MANAGEMENT, 29736),  # MDC_INS_BOLUS
            unit="[iU]",
            low=0,
            high=50,
            period_s=0,  # one reading for each completed bolus
            decimals=2,
            urgency=Urgency.DOSE,
        ),
        Measurement(
            key="insulin_delivered",
            label="Insulin delivered",
            code=mdc(Partition.PRIVATE, 2),  # the standard has daily totals only; this counts since the last reset
            unit="[iU]",
            low=0,
            high=100_000,
            period_s=60,
            decimals=2,
            kind=Form.COUNTER,
            urgency=Urgency.DOSE,
        ),
        Measurement(
            key="insulin_reservoir",
            label="Reservoir",
            code=mdc(Partition.PHD_DISEASE_MANAGEMENT, 29780),  # MDC_INS_RESERVOIR
            unit="[iU]",
            low=0,
            high=500,
            period_s=60,
            decimals=1,
            runs_out=True,
        ),
        PUMP_ALARM,
        BATTERY,
    ),
)
