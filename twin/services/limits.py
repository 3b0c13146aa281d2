"""The limits in force, and setting them for one patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from django.db import transaction

from compliance.models import EventCategory, Patient, User
from compliance.services.events import record_event
from devices.kinds.measurement import stale_after_s
from devices.kinds.registry import by_key
from devices.models import Device, Watched
from devices.services.registry_watch import registry_marks
from twin.alerts.defaults import DEFAULT_LIMITS
from twin.alerts.limits import Changed, Limit, LimitKey, Setting, Side, with_settings
from twin.alerts.rulebook import Rulebook, build
from twin.errors import TwinError
from twin.models import AlertLimit
from twin.selectors.limits import LIMITS_SET, LimitChange, house_limits, own_settings, settings_by_patient

MAX_DELAY_S = 3600.0
NEWS_FLOOR_S = 120.0  # a value that the ward still shows as current has to alarm, however late it came


class LimitsRefused(TwinError):
    """These limits cannot hold together."""

    code = "limits_refused"

    def __init__(self, wrong: Mapping[LimitKey, str]) -> None:
        super().__init__("Some limits cannot be used: " + "; ".join(wrong.values()))
        self.wrong = dict(wrong)


class LimitsChangedSince(TwinError):
    """A change cannot be undone: what it set does not hold any more."""

    code = "limits_changed_since"

    def __init__(self, key: LimitKey) -> None:
        what = f"{by_key(key.metric).label}, {key.side} limit, {key.priority} priority"
        super().__init__(f"{what}: it was changed again since, so nothing was undone.")
        self.key = key


class LimitsChangedMeanwhile(TwinError):
    """Somebody else set limits after the page was made from which these were sent: nothing was saved."""

    code = "limits_changed_meanwhile"
    http_status = 409

    def __init__(self, changed: Sequence[Changed]) -> None:
        super().__init__("These limits were changed while the page was open, and nothing was saved. Look again.")
        self.changed = list(changed)


def rulebook_basis() -> tuple[object, ...]:
    """Return what the rulebook of all devices is built from, to compare: cheap where building takes long."""
    return registry_marks()[Watched.DEVICES], settings_by_patient()


def load_rulebook(patient: Patient | None = None) -> Rulebook[UUID]:
    """Return the limits in force, for every device of the registry or for those of one patient."""
    chosen = settings_by_patient()
    house = with_settings(DEFAULT_LIMITS, chosen.pop(None, []))
    personal = {owner: with_settings(house, own) for owner, own in chosen.items() if owner is not None}
    devices = Device.objects.all() if patient is None else Device.objects.filter(patient=patient)
    return build(
        patients=dict(devices.order_by().values_list("pk", "patient_id")),
        house=house,
        personal=personal,
        code_of=lambda key: by_key(key).code,
        news_s_of=lambda key: max(stale_after_s(by_key(key).period_s), NEWS_FLOOR_S),
    )


def set_limits(
    *,
    patient: Patient,
    user: User,
    settings: Mapping[LimitKey, Setting | None],
    device: Device | None = None,
    seen: Mapping[LimitKey, Setting | None] | None = None,
) -> tuple[Limit, ...]:
    """Set limits for one patient and return all that hold now; None goes back to the house's.

    device: from whose page it was done. seen: what held when the page was made, by limit; where something else holds by
    now, LimitsChangedMeanwhile is raised: an empty field of an old page must not take a limit that it never showed. The
    writer of readings follows within `alert_watch.RELOAD_S`. Raises LimitsRefused, with the reason by limit, when a
    bound lies outside the metric's physical range, low is not below high, a more urgent level is not further out, or a
    delay is negative or over an hour; then nothing is changed.
    """

    def chosen(before: Mapping[LimitKey, Setting]) -> Mapping[LimitKey, Setting | None]:
        pairs = {key: (old, before.get(key)) for key, old in (seen or {}).items()}
        if changed := [Changed(key, old, now) for key, (old, now) in pairs.items() if old != now]:
            raise LimitsChangedMeanwhile(changed)
        return settings

    return _change(_Act(patient, user, device), chosen)


def undo_limits(*, patient: Patient, user: User, change: LimitChange, device: Device | None = None) -> None:
    """Put back what held before one change of this patient's limits, as a change of its own.

    Raises LimitsChangedSince when something that it set does not hold any more, and LimitsRefused when what held
    before does not fit to what holds now; then nothing is changed.
    """

    def put_back(before: Mapping[LimitKey, Setting]) -> Mapping[LimitKey, Setting | None]:
        for one in change.changed:
            if before.get(one.key) != one.after:
                raise LimitsChangedSince(one.key)
        return {one.key: one.before for one in change.changed}

    _change(_Act(patient, user, device, undoes=change.number), put_back)


@dataclass(frozen=True, slots=True)
class _Act:
    """Who changes whose limits. undoes: the number of the event that is undone."""

    patient: Patient
    user: User
    device: Device | None
    undoes: int | None = None


def _change(
    act: _Act, choose: Callable[[Mapping[LimitKey, Setting]], Mapping[LimitKey, Setting | None]]
) -> tuple[Limit, ...]:
    house = {limit.key: limit for limit in house_limits() if limit.side is not Side.EQUAL}
    with transaction.atomic():
        Patient.objects.select_for_update().get(
            pk=act.patient.pk
        )  # two physicians at once must not make a pair that crosses
        before = own_settings(act.patient)
        settings = choose(before)
        after = {**before, **{key: value for key, value in settings.items() if value is not None and key in house}}
        for key in (key for key, value in settings.items() if value is None):
            after.pop(key, None)
        in_force = with_settings(house.values(), after.values())
        if wrong := problems(in_force):
            raise LimitsRefused(wrong)
        _store(act, before, after)
    return in_force


def problems(limits: Iterable[Limit]) -> dict[LimitKey, str]:
    """Return what is wrong with limits that would hold together, as a sentence by limit."""
    wrong: dict[LimitKey, str] = {}
    by_metric: dict[str, list[Limit]] = defaultdict(list)
    for limit in limits:
        by_metric[limit.metric].append(limit)
        measurement = by_key(limit.metric)
        if not measurement.low <= limit.bound <= measurement.high:
            span = f"{measurement.low:g} and {measurement.high:g} {measurement.unit_label}"
            wrong[limit.key] = f"{measurement.label} lies between {span}"
        elif not 0 <= limit.delay_s <= MAX_DELAY_S:
            wrong[limit.key] = f"{measurement.label}: a delay lies between 0 and {MAX_DELAY_S:.0f} s"
    for levels in by_metric.values():
        for outer, inner in pairwise(_from_low_to_high(levels)):
            if not outer.bound < inner.bound:
                wrong.setdefault(inner.key, _crossing(outer, inner))
    return wrong


def _from_low_to_high(levels: Sequence[Limit]) -> list[Limit]:
    """Sort as the bounds have to lie: urgent low, less urgent low, less urgent high, urgent high."""
    low = sorted((limit for limit in levels if limit.side is Side.LOW), key=lambda limit: limit.priority.rank)
    high = sorted((limit for limit in levels if limit.side is Side.HIGH), key=lambda limit: -limit.priority.rank)
    return low + high


def _crossing(lower: Limit, upper: Limit) -> str:
    label = by_key(lower.metric).label
    return (
        f"{label}: the {upper.priority} {upper.side} limit ({upper.bound:g}) must lie above "
        f"the {lower.priority} {lower.side} limit ({lower.bound:g})"
    )


def _store(act: _Act, before: Mapping[LimitKey, Setting], after: Mapping[LimitKey, Setting]) -> None:
    """Write what differs, with one audit event that names every change."""
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        metric, side, priority = key
        AlertLimit.objects.filter(patient=act.patient, metric=metric, side=side, priority=priority).delete()
        if new is not None:
            AlertLimit.objects.create(
                patient=act.patient,
                metric=metric,
                side=side,
                priority=priority,
                bound=new.bound,
                delay_s=new.delay_s,
                set_by=act.user,
            )
        changes.append(
            {"limit": " ".join(key), "from": old and [old.bound, old.delay_s], "to": new and [new.bound, new.delay_s]}
        )
    if changes:
        record_event(
            category=EventCategory.CLINICAL,
            code=LIMITS_SET,
            message="Alarm limits were set for this patient.",
            patient=act.patient,
            user=act.user,
            device_id=act.device.pk if act.device is not None else None,
            detail={"changes": changes} | ({} if act.undoes is None else {"undoes": act.undoes}),
        )
