"""What charts ask for: thinned series, alarms of the time, and events as a timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from compliance.models import Event, EventCategory, Patient
from devices.kinds.registry import KINDS, Form, Measurement, by_key
from devices.models import Device
from devices.services.telemetry import store
from devices.telemetry.store import bucket_width_s
from twin.errors import HistoryWindowWrong
from twin.models import Alert
from twin.selectors.vitals import fresh_for_s

MAX_POINTS = 1200  # about one per pixel of a wide screen
LONGEST_S = 31 * 86400.0
TIMELINE_LENGTH = 40
SAME_S = 3600.0  # what says the same within an hour is one line with a count


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
    devices = [d.pk for d in Device.objects.filter(patient=patient) if _measures_any(d, wanted)]
    found = store().history(devices, wanted, window.t_from, window.t_to, max_points=MAX_POINTS)
    series: dict[str, list[tuple[float, float, int]]] = {key: [] for key in window.keys}
    for reading in found:
        measurement = wanted[reading.metric]
        late = int(reading.received - reading.t > fresh_for_s(measurement))
        series[measurement.key].append((reading.t, reading.value, late))
    for points in series.values():
        points.sort()
    return series


def _measures_any(device: Device, wanted: Mapping[int, Measurement]) -> bool:
    return any(KINDS[device.kind].measures(code) for code in wanted)


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    text: str
    priority: str = ""
    count: int = 1


def timeline_of(patient: Patient, categories: Iterable[str], *, alerts: bool) -> list[Entry]:
    """Return the newest events of the given categories and, with `alerts`, when alarms began and ended.

    Times are in the patient's zone, so that a day of the timeline is a day of the patient's.
    """
    zone = ZoneInfo(patient.time_zone)
    events = Event.objects.filter(patient=patient, category__in=list(categories))[:TIMELINE_LENGTH]
    entries = [Entry(event.at, event.message, count=event.count) for event in events]
    if alerts:
        for alert in Alert.objects.filter(patient=patient)[:TIMELINE_LENGTH]:
            entries.append(Entry(alert.raised_at, alert.message, alert.priority))
            if alert.resolved_at:
                entries.append(Entry(alert.resolved_at, f"Over: {alert.message}"))
    local = [replace(entry, at=entry.at.astimezone(zone)) for entry in entries]
    return _folded(sorted(local, key=lambda entry: entry.at, reverse=True))[:TIMELINE_LENGTH]


def _folded(entries: Iterable[Entry]) -> list[Entry]:
    """Make one line of entries that say the same on one day within `SAME_S`: the newest, with their count.

    Entries come newest first. Other lines may lie between: two alarms that take turns are still two lines, not forty.
    """
    folded: list[Entry] = []
    places: dict[tuple[str, str, date], int] = {}
    for entry in entries:
        key = (entry.text, entry.priority, entry.at.date())
        place = places.get(key)
        if place is not None and (folded[place].at - entry.at).total_seconds() <= SAME_S:
            folded[place] = replace(folded[place], count=folded[place].count + entry.count)
        else:
            places[key] = len(folded)
            folded.append(entry)
    return folded


def categories_for(*, medication: bool) -> Sequence[str]:
    """Return which events a reader may see: clinical ones only together with the right to see medication."""
    return [c.value for c in EventCategory if medication or c is not EventCategory.CLINICAL]


def grouped_by_day(entries: Iterable[Entry]) -> dict[object, list[Entry]]:
    """Return the entries by calendar day, newest first."""
    days: dict[object, list[Entry]] = defaultdict(list)
    for entry in entries:
        days[entry.at.date()].append(entry)
    return dict(days)
