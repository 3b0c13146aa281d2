"""Bedside vital-signs monitor: heart rate, oxygen saturation, respiration, cuff pressure, temperature, ECG lead II."""

from __future__ import annotations

from devices.energy.battery import Battery
from devices.kinds.common import BATTERY
from devices.kinds.gatt import (
    BATTERY_LEVEL,
    BLOOD_PRESSURE,
    HEART_RATE,
    MEASUREMENT_LOG,
    PULSE_OXIMETER,
    THERMOMETER,
    GattService,
)
from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, mdc


def _cuff(key: str, label: str, term: int, loinc: str) -> Measurement:
    return Measurement(
        key=key,
        label=label,
        code=mdc(Partition.SCADA, term),
        loinc=loinc,
        unit="mm[Hg]",
        low=0,
        high=350,
        period_s=300,
    )


KIND = DeviceKind(
    name="vital_signs_monitor",
    label="Vital-signs monitor",
    icon="monitor",
    power=Battery(
        capacity_mah=4_000,
        voltage_v=11.1,
        idle_w=8.0,
        source="A lithium-ion pack of 4,000 mAh at 11.1 V; 8 W for display, cuff and sensors (E).",
    ),
    services=(
        GattService(HEART_RATE, ("heart_rate",)),
        GattService(PULSE_OXIMETER, ("spo2",)),
        GattService(THERMOMETER, ("temperature",)),
        GattService(BLOOD_PRESSURE, ("bp_systolic", "bp_diastolic", "bp_mean")),
        # No adopted service carries respiration or an ECG, and those of heart rate and saturation store nothing.
        GattService(MEASUREMENT_LOG, ("respiration_rate", "ecg"), missed=("heart_rate", "spo2")),
        BATTERY_LEVEL,
    ),
    measurements=(
        Measurement(
            key="heart_rate",
            label="Heart rate",
            code=mdc(Partition.SCADA, 16770),  # MDC_ECG_HEART_RATE
            loinc="8867-4",
            unit="/min",
            low=0,
            high=350,
            period_s=1,
        ),
        Measurement(
            key="spo2",
            label="SpO₂",
            code=mdc(Partition.SCADA, 19384),  # MDC_PULS_OXIM_SAT_O2
            loinc="59408-5",
            unit="%",
            low=0,
            high=100,
            period_s=1,
        ),
        Measurement(
            key="respiration_rate",
            label="Respiration",
            code=mdc(Partition.SCADA, 20490),  # MDC_RESP_RATE
            loinc="9279-1",
            unit="/min",
            low=0,
            high=150,
            period_s=5,
        ),
        _cuff("bp_systolic", "Systolic pressure", 18949, "8480-6"),  # MDC_PRESS_BLD_NONINV_SYS
        _cuff("bp_diastolic", "Diastolic pressure", 18950, "8462-4"),  # MDC_PRESS_BLD_NONINV_DIA
        _cuff("bp_mean", "Mean pressure", 18951, "8478-0"),  # MDC_PRESS_BLD_NONINV_MEAN
        Measurement(
            key="temperature",
            label="Temperature",
            code=mdc(Partition.SCADA, 19292),  # MDC_TEMP_BODY
            loinc="8310-5",
            unit="Cel",
            low=10,
            high=46,
            period_s=60,
            decimals=1,
        ),
        Measurement(
            key="ecg",
            label="ECG II",
            code=mdc(Partition.SCADA, 258),  # MDC_ECG_ELEC_POTL_II
            unit="mV",
            low=-20,
            high=20,
            period_s=0.004,
            decimals=3,
            kind=Form.WAVEFORM,
        ),
        BATTERY,
    ),
)
