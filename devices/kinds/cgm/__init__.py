"""Continuous glucose monitor (ISO/IEEE 11073-10425): glucose in the interstitial fluid."""

from __future__ import annotations

from devices.kinds.common import BATTERY
from devices.kinds.measurement import DeviceKind, Measurement, Partition, mdc

KIND = DeviceKind(
    name="cgm",
    label="Glucose monitor",
    icon="cgm",
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
