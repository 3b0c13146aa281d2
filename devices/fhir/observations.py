"""Observation: readings of devices as they were sent, and what other clients measured."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import cast
from uuid import UUID

from django.db.models import QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource, concept, quantity, refer
from compliance.fhir.errors import TooCostly
from compliance.fhir.parameters import Criterion, Kind, Parameter, as_utc, int_key, satisfies, uuid_key
from compliance.fhir.registry import Asked, Found, Position, ResourceType, Span
from compliance.fhir.types.staff import practitioner
from compliance.fhir.values import DateRange, Prefix, Quantity, Reference, Token
from compliance.models import Patient
from compliance.selectors import within_scope
from devices.fhir.codes import CATEGORY, OBSERVABLES, Observable, codings_of
from devices.fhir.external import external_walk, read_external, store_external
from devices.fhir.measured import EXTERNAL, Keep, Measured, Window, read_one, walk
from devices.selectors.worn import Wear

MOST_COUNTED = 20_000
SLACK_S = 5e-6  # what rounding to microseconds may move; the position decides, not the window
FOREVER = (0.0, 32_503_680_000.0)  # 1970 to 3000
STATUS = "http://hl7.org/fhir/observation-status"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_READING = re.compile(r"([1-9]\d{0,9})-(\d{1,19})", re.ASCII)


@dataclass(slots=True)
class Wanted:
    """A search of observations, taken apart: where to look, and what to keep of what is found."""

    t_from: float = FOREVER[0]
    t_to: float = FOREVER[1]
    patients: set[UUID] | None = None
    devices: set[int] | None = None
    ids: set[str] | None = None
    observables: list[Observable] = field(default_factory=lambda: list(OBSERVABLES.values()))
    tests: list[Keep] = field(default_factory=list)

    def keeps(self, one: Measured) -> bool:
        """Tell whether an observation satisfies every criterion."""
        return (
            one.observable in self.observables
            and (self.patients is None or one.patient_id in self.patients)
            and (self.devices is None or one.device in self.devices)
            and (self.ids is None or one.id in self.ids)
            and all(test(one) for test in self.tests)
        )


class Observations(ResourceType):
    """Measurements. Those of our devices are never changed; a client may add what was measured elsewhere."""

    name = "Observation"
    about = (
        "A measurement of a device, with LOINC where there is a term and IEEE 11073 always; pressures as a panel. "
        "Created ones are kept beside the readings of devices: they enter no twin and raise no alarm."
    )
    action = "compliance.view_patient"
    history_kept = True
    versions = "One: a measurement is never changed."
    looked_back = timedelta(minutes=10)  # looking through more for every subscriber would cost seconds
    total_known = False
    dated = False  # named among the parameters: it is not a column
    creates = True
    sorts = ("date",)
    includes = ("patient", "subject", "device")
    parameters = (
        Parameter(name="patient", kind=Kind.REFERENCE, about="Whose", targets=("Patient",), path="subject"),
        Parameter(name="subject", kind=Kind.REFERENCE, about="Whose", targets=("Patient",), path="subject"),
        Parameter(name="device", kind=Kind.REFERENCE, about="Measured by", targets=("Device",), path="device"),
        Parameter(name="code", kind=Kind.TOKEN, about="LOINC or IEEE 11073 code"),
        Parameter(name="component-code", kind=Kind.TOKEN, about="Code of a panel's component"),
        Parameter(name="category", kind=Kind.TOKEN, about="vital-signs, laboratory, procedure or therapy"),
        Parameter(name="date", kind=Kind.DATE, about="When it was measured"),
        Parameter(name="value-quantity", kind=Kind.QUANTITY, about="The value, in the observation's own unit"),
        Parameter(name="status", kind=Kind.TOKEN, about="Always final"),
        Parameter(name="_lastUpdated", kind=Kind.DATE, about="When it reached this server"),
    )

    def visible(self, access: Access, letter: str) -> QuerySet[Patient]:
        """Return the patients whose observations the request may see."""
        seen = within_scope(Patient.objects.all(), access.scope(self.action), patient_field="")
        return access.narrow(seen, self.name, letter, "pk")

    def read_many(self, access: Access, ids: Collection[str], letter: str = "r") -> list[Entry]:
        """Return those of the ids that exist and that the request may see."""
        patients = set(self.visible(access, letter).values_list("pk", flat=True))
        wear = Wear(patients)
        found = [_read(key, wear, patients) for key in ids]
        return [entry_of(one) for one in found if one is not None]

    def find(self, access: Access, asked: Asked) -> Found:
        """Return one page in order of time, newest first unless asked otherwise."""
        newest_first = asked.sort != ("date",)
        page = list(islice(self._walk(access, asked, newest_first), asked.limit + 1))
        more = len(page) > asked.limit
        kept = page[: asked.limit]
        return Found([entry_of(one) for one in kept], kept[-1].position if more else None)

    def count(self, access: Access, criteria: tuple[Criterion, ...]) -> int:
        """Count by walking. Raises TooCostly."""
        number = sum(1 for _ in islice(self._walk(access, Asked(criteria), True), MOST_COUNTED + 1))
        if number > MOST_COUNTED:
            raise TooCostly(f"More than {MOST_COUNTED} observations: narrow the search by date and code.")
        return number

    def create(self, access: Access, resource: Resource) -> Entry:
        """Store what was measured elsewhere."""
        return entry_of(store_external(access, resource))

    def changes(self, access: Access, span: Span, limit: int, after: Position | None) -> Found:
        """Return one page, in the order of measurement: when readings came is no order in which they are kept."""
        dates = []
        if span.since is not None:
            dates.append(DateRange(Prefix.GE, span.since, span.since))
        if span.at is not None:
            dates.append(DateRange(Prefix.LT, span.at[1], span.at[1]))
        came = cast(Parameter, self.parameter("_lastUpdated"))
        criteria = tuple(Criterion(came, "", (one,)) for one in dates)
        return self.find(access, Asked(criteria, (), limit, after, span.until))

    def _walk(self, access: Access, asked: Asked, newest_first: bool) -> Iterator[Measured]:
        wanted = wanted_of(asked.criteria)
        visible = set(self.visible(access, "s").values_list("pk", flat=True))
        patients = visible if wanted.patients is None else visible & wanted.patients
        wear = Wear(patients)
        devices = [one for one in wear.devices if wanted.devices is None or one in wanted.devices]
        window = _window(wanted, asked.after, newest_first)
        keep = _later(wanted, asked, newest_first)
        codes = [part.code for one in wanted.observables for part in one.parts]
        return merge(
            walk(wear, devices, codes, window, keep),
            (one for one in external_walk(patients, wanted.observables, window) if keep(one)),
            key=lambda one: one.position,
            reverse=newest_first,
        )


def _later(wanted: Wanted, asked: Asked, newest_first: bool) -> Keep:
    """Return the test of a page: the criteria, after where the last page ended, and there when the walk began."""
    after = cast("tuple[float, int, int] | None", asked.after)
    until = asked.snapshot.timestamp() if asked.snapshot else None

    def keep(one: Measured) -> bool:
        if until is not None and one.received > until:
            return False
        if after is not None and (one.position >= after if newest_first else one.position <= after):
            return False
        return wanted.keeps(one)

    return keep


def _window(wanted: Wanted, after: Position | None, newest_first: bool) -> Window:
    t_from, t_to = wanted.t_from, wanted.t_to
    if after is not None:
        t = cast(float, after[0])
        t_from, t_to = (t_from, min(t_to, t + SLACK_S)) if newest_first else (max(t_from, t - SLACK_S), t_to)
    return Window(t_from, t_to, newest_first)


def _read(key: str, wear: Wear, patients: set[UUID]) -> Measured | None:
    if key.startswith("x"):
        number = int_key(key[1:])
        return read_external(number, patients) if number is not None else None
    match = _READING.fullmatch(key)
    if match is None or f"{int(match[1])}-{int(match[2])}" != key or int(match[2]) >= 2**63:
        return None
    return read_one(int(match[1]), int(match[2]), wear)


def wanted_of(criteria: tuple[Criterion, ...]) -> Wanted:
    """Take a search apart."""
    wanted = Wanted()
    for criterion in criteria:
        _take(wanted, criterion)
    return wanted


def _take(wanted: Wanted, criterion: Criterion) -> None:
    values, negated = criterion.values, criterion.modifier == "not"
    tokens = [value for value in values if isinstance(value, Token)]
    match criterion.parameter.name:
        case "patient" | "subject":
            named = {uuid_key(cast(Reference, value).id) for value in values}
            found = {key for key in named if key is not None}
            wanted.patients = found if wanted.patients is None else wanted.patients & found
        case "device":
            keys = {int_key(cast(Reference, value).id) for value in values}
            devices = {key for key in keys if key is not None and key != EXTERNAL}
            wanted.devices = devices if wanted.devices is None else wanted.devices & devices
        case "_id":
            ids = {token.code for token in tokens}
            wanted.ids = ids if wanted.ids is None else wanted.ids & ids
        case "code":
            _only(wanted, [one for one in wanted.observables if any(map(one.named_by, tokens)) != negated])
        case "component-code":
            _only(wanted, [one for one in wanted.observables if any(map(one.has_component, tokens)) != negated])
        case "category":
            _only(wanted, [one for one in wanted.observables if _means(tokens, CATEGORY, one.category) != negated])
        case "status":
            _only(wanted, wanted.observables if _means(tokens, STATUS, "final") != negated else [])
        case "date":
            _take_dates(wanted, [cast(DateRange, value) for value in values])
        case "_lastUpdated":
            spans = [cast(DateRange, value) for value in values]
            wanted.tests.append(lambda one: any(satisfies(_received(one), span) for span in spans))
        case "value-quantity":
            numbers = [cast(Quantity, value) for value in values]
            wanted.tests.append(lambda one: any(_holds(one, number) for number in numbers))


def _only(wanted: Wanted, observables: list[Observable]) -> None:
    wanted.observables = observables


def _means(tokens: list[Token], system: str, code: str) -> bool:
    return any(token.system in {None, system} and token.code in {"", code} for token in tokens)


def _received(one: Measured) -> datetime:
    return datetime.fromtimestamp(one.received, tz=UTC)


def _holds(one: Measured, number: Quantity) -> bool:
    """Tell whether a single value satisfies a quantity; a unit that is given must be the observation's own."""
    unit = one.observable.parts[0].unit
    if len(one.values) != 1 or one.values[0] is None or (number.code and number.code != unit):
        return False
    return number.matches(one.values[0])


def _take_dates(wanted: Wanted, spans: list[DateRange]) -> None:
    """Look where the dates lead, and keep what satisfies them."""
    wanted.tests.append(lambda one: any(satisfies(one.at, span) for span in spans))
    if len(spans) == 1:
        low, high = spans[0].low.timestamp(), spans[0].high.timestamp()
        if spans[0].prefix in {Prefix.EQ, Prefix.GE}:
            wanted.t_from = max(wanted.t_from, low)
        if spans[0].prefix in {Prefix.GT, Prefix.SA}:
            wanted.t_from = max(wanted.t_from, high)
        if spans[0].prefix in {Prefix.EQ, Prefix.LE}:
            wanted.t_to = min(wanted.t_to, high)
        if spans[0].prefix in {Prefix.LT, Prefix.EB}:
            wanted.t_to = min(wanted.t_to, low)


def entry_of(one: Measured) -> Entry:
    """Return an observation on its way out."""
    parts = one.observable.parts
    resource: Resource = {
        "resourceType": "Observation",
        "id": one.id,
        "status": "final",
        "category": [concept({"system": CATEGORY, "code": one.observable.category})],
        "code": one.observable.concept,
        "subject": refer("Patient", one.patient_id),
        "effectiveDateTime": as_utc(one.at),
        "issued": as_utc(_received(one)),
    }
    if one.device == EXTERNAL:
        resource["method"] = concept(text="measured elsewhere, sent by a client of the FHIR API")
        if one.recorded_by is not None:
            resource["performer"] = [practitioner(one.recorded_by)]
    else:
        resource["device"] = refer("Device", one.device)
    if len(parts) == 1:
        resource |= _value(one, 0)
    else:
        resource["component"] = [
            {"code": concept(*codings_of(part), text=part.label)} | _value(one, place)
            for place, part in enumerate(parts)
        ]
    return Entry(resource, _received(one), one.patient_id, profiles=one.observable.profiles)


def _value(one: Measured, place: int) -> Resource:
    value, part = one.values[place], one.observable.parts[place]
    if value is None:
        return {"dataAbsentReason": concept({"system": ABSENT, "code": "unknown"})}
    return {"valueQuantity": quantity(round(value, 6), part.unit_label, part.unit)}
