"""What charts ask for: thinned series, and the alarms of the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q

from compliance.models import Patient
from devices.kinds.registry import Form, by_key
from devices.services.worn import readings_of
from devices.telemetry.store import bucket_width_s
from twin.errors import HistoryWindowWrong
from twin.models import Alert
from twin.selectors.vitals import fresh_for_s

MAX_POINTS = 1200  # about one per pixel of a wide screen
LONGEST_S = 31 * 86400.0


@dataclass(frozen=True, slots=True)
class Window:
    """A span of device time, s since the Unix epoch, and the metrics asked for."""

    keys: tuple[str, ...]
    t_from: float
    t_to: float

    @property
    def bucket_s(self) -> float:
        """Spacing to which series are thinned."""
        return bucket_width_s(self.t_from, self.t_to, MAX_POINTS)


def window_of(query: Mapping[str, str]) -> Window:
    """Read `keys`, `from` and `to` of a query string. Raises HistoryWindowWrong."""
    keys = tuple(key for key in query.get("keys", "").split(",") if key)
    try:
        t_from, t_to = float(query["from"]), float(query["to"])
        drawable = all(by_key(key).kind is not Form.WAVEFORM for key in keys)
    except (KeyError, ValueError) as error:
        raise HistoryWindowWrong from error
    if not (keys and drawable and 0 < t_to - t_from <= LONGEST_S):  # NaN fails here too
        raise HistoryWindowWrong
    return Window(keys, t_from, t_to)


def series_of(patient: Patient, window: Window) -> dict[str, list[tuple[float, float, int]]]:
    """Return metric key -> [(t, value, late)] in order of time; `late` is 1 when the reading came long after its time.

    Every span of the window keeps its lowest and highest reading, so that no excursion disappears.
    """
    wanted = {by_key(key).code: by_key(key) for key in window.keys}
    found = readings_of(patient, wanted, window.t_from, window.t_to, max_points=MAX_POINTS)
    series: dict[str, list[tuple[float, float, int]]] = {key: [] for key in window.keys}
    for reading in found:
        measurement = wanted[reading.metric]
        late = int(reading.received - reading.t > fresh_for_s(measurement))
        series[measurement.key].append((reading.t, reading.value, late))
    for points in series.values():
        points.sort()
    return series


def alarms_of(patient: Patient, window: Window) -> list[dict[str, object]]:
    """Return the alarms that held at some moment of the window, for marks on a chart."""
    t_from, t_to = (datetime.fromtimestamp(t, tz=UTC) for t in (window.t_from, window.t_to))
    held = Alert.objects.filter(patient=patient, raised_at__lt=t_to).filter(
        Q(resolved_at__isnull=True) | Q(resolved_at__gt=t_from)
    )
    return [
        {
            "id": alert.pk,
            "t": alert.raised_at.timestamp(),
            "until": alert.resolved_at.timestamp() if alert.resolved_at else None,
            "priority": alert.priority,
            "message": alert.message,
        }
        for alert in held.order_by("raised_at")
    ]
