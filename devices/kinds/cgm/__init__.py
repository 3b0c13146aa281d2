"""Continuous glucose monitor (ISO/IEEE 11073-10425): glucose in the interstitial fluid."""

from __future__ import annotations

from devices.energy.battery import Battery
from devices.kinds.common import BATTERY
from devices.kinds.gatt import BATTERY_LEVEL, GLUCOSE_MONITORING, GattService
from devices.kinds.measurement import DeviceKind, Measurement, Partition, mdc

KIND = DeviceKind(
    name="cgm",
    label="Glucose monitor",
    icon="cgm",
    power=Battery(
        capacity_mah=60,
        voltage_v=3.0,
        idle_w=30e-6,
        source="Two silver-oxide cells of 60 mAh in a transmitter, 10 uA for electrode and sleep (E).",
    ),
    made_for_s=10 * 86_400.0,  # a sensor is worn for ten days
    services=(GattService(GLUCOSE_MONITORING, ("glucose",)), BATTERY_LEVEL),
    measurements=(
        Measurement(
            key="glucose",
            label="Glucose",
            code=mdc(Partition.SCADA, 29140),  # MDC_CONC_GLU_ISF
            loinc="99504-3",
            unit="mg/dL",
            low=10,
            high=1000,
            period_s=300,
        ),
        BATTERY,
    ),
)
