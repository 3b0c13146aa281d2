"""Facts that travel upward. Receivers run synchronously in the thread that sends."""

from django.dispatch import Signal

# Sent by the ingest writer with `batch: devices.telemetry.ReadingBatch` after opening and validation and BEFORE the
# telemetry commit. A receiver stores what it concludes (an alert, an intake) and must be idempotent: after a crash the
# same readings come again. If a receiver raises, nothing of the group is committed or acknowledged.
readings_received = Signal()

# Sent after the telemetry commit with the same `batch`; for pictures, caches and fan-out only.
readings_accepted = Signal()

# Sent with `gateway_id: int, connected: bool` when a gateway's socket opens or closes.
gateway_link_changed = Signal()

# Sent with `device_id: int` when a device was registered, re-keyed, quarantined, moved or retired.
device_changed = Signal()

# device_id: int. It went from one patient to another, or to nobody; sent when that stands.
device_moved = Signal()
