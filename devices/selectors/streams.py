"""In which streams the readings of devices come: by their own gateway, and by further ones."""

from __future__ import annotations

from collections.abc import Iterable

from devices.models import DevicePath
from devices.telemetry import TelemetryStore
from devices.telemetry.lanes import stream


def further_streams(devices: Iterable[int]) -> list[int]:
    """Return the streams of further gateways, of those that ended as well."""
    found = DevicePath.objects.filter(device__in=list(devices)).order_by("device", "lane")
    return sorted({stream(device, lane) for device, lane in found.values_list("device", "lane")})


def streams_told(devices: Iterable[int]) -> list[int]:
    """Return every stream of these devices; of each device its own first."""
    ids = list(devices)
    return [*ids, *further_streams(ids)]


def further_cursors(devices: Iterable[int], store: TelemetryStore) -> dict[int, int]:
    """Return further stream -> the highest number in use, -1 for none. Raises StoreUnavailable."""
    streams = further_streams(devices)
    return dict.fromkeys(streams, -1) | store.ends(streams) if streams else {}
