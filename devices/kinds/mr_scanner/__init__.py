"""MR scanner: what it is doing and how its magnet fares. Its images take the sealed study path, not this one."""

from __future__ import annotations

from devices.kinds.measurement import DeviceKind, Form, Measurement, Partition, mdc

KIND = DeviceKind(
    name="mr_scanner",
    label="MR scanner",
    icon="scanner",
    measurements=(
        Measurement(
            key="scanner_state",
            label="Scanner",
            code=mdc(Partition.PRIVATE, 7),
            unit="1",
            low=0,
            high=3,
            period_s=10,
            kind=Form.ENUMERATION,
            values={0: "idle", 1: "preparing", 2: "scanning", 3: "fault"},
        ),
        Measurement(
            key="helium_level",
            label="Helium",
            code=mdc(Partition.PRIVATE, 8),
            unit="%",
            low=0,
            high=100,
            period_s=300,
            decimals=1,
        ),
        Measurement(
            key="scan_progress",
            label="Scan progress",
            code=mdc(Partition.PRIVATE, 9),
            unit="%",
            low=0,
            high=100,
            period_s=5,
        ),
    ),
)
