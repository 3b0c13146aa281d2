"""Measurements that several kinds share."""

from __future__ import annotations

from devices.kinds.measurement import Form, Measurement, Partition, Urgency, mdc

BATTERY = Measurement(
    key="battery",
    label="Battery",
    code=mdc(Partition.OBJECT, 2460),  # MDC_ATTR_VAL_BATT_CHARGE
    unit="%",
    low=0,
    high=100,
    period_s=300,
    runs_out=True,
)

PUMP_ALARM = Measurement(
    key="pump_alarm",
    label="Pump alarm",
    code=mdc(Partition.PRIVATE, 1),
    unit="1",
    low=0,
    high=4,
    period_s=60,
    kind=Form.ENUMERATION,
    values={0: "none", 1: "occlusion", 2: "empty", 3: "air in line", 4: "battery low"},
    urgency=Urgency.ALARM,
)
