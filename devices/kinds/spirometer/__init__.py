"""Handheld spirometer: what one forced expiration gives. All four values of a manoeuvre carry the same time.

Codes: nomenclature of ISO/IEEE 11073-10101; volumes and flows at BTPS, as ATS/ERS 2019 has it (AJRCCM 200:e70).
"""

from __future__ import annotations

from devices.energy.battery import Battery
from devices.kinds.common import BATTERY
from devices.kinds.gatt import BATTERY_LEVEL, MEASUREMENT_LOG, GattService
from devices.kinds.measurement import DeviceKind, Measurement, Partition, mdc

KIND = DeviceKind(
    name="spirometer",
    label="Spirometer",
    icon="spirometer",
    power=Battery(
        capacity_mah=1_000,
        voltage_v=3.0,
        idle_w=60e-6,
        source="Two AAA alkaline cells of 1,000 mAh; 20 uA for clock and sleep between manoeuvres (E).",
    ),
    services=(GattService(MEASUREMENT_LOG, ("fvc", "fev1", "fev1_fvc", "pef")), BATTERY_LEVEL),
    measurements=(
        Measurement(
            key="fvc",
            label="FVC",
            code=mdc(Partition.SCADA, 57856),  # MDC_VOL_AWAY_EXP_FORCED_CAPACITY
            loinc="19868-9",
            unit="L",
            low=0,
            high=12,  # the largest lungs measured, those of rowers, held a little less
            period_s=0,
            decimals=2,
        ),
        Measurement(
            key="fev1",
            label="FEV1",
            code=mdc(Partition.SCADA, 21514),  # MDC_VOL_AWAY_EXP_FORCED_1S
            loinc="20150-9",
            unit="L",
            low=0,
            high=12,  # a part of the FVC
            period_s=0,
            decimals=2,
        ),
        Measurement(
            key="fev1_fvc",
            label="FEV1/FVC",
            code=mdc(Partition.SCADA, 57876),  # MDC_RATIO_AWAY_EXP_FORCED_1S_FVC
            loinc="19926-5",
            unit="%",
            low=0,
            high=100,
            period_s=0,
            decimals=1,
        ),
        Measurement(
            key="pef",
            label="Peak flow",
            code=mdc(Partition.SCADA, 21512),  # MDC_FLOW_AWAY_EXP_FORCED_PEAK
            loinc="33452-4",
            unit="L/s",
            low=0,
            high=20,  # meters end at 14 L/s; a cough exceeds that and is still air
            period_s=0,
            decimals=2,
        ),
        BATTERY,
    ),
)
