"""Observations that a client brings: checked by the same table as readings, kept apart from them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource
from compliance.fhir.errors import ResourceWrong
from compliance.fhir.parameters import uuid_key
from compliance.fhir.values import Token, parse_reference
from compliance.models import EventCategory, Patient
from compliance.selectors import patients_for
from compliance.services.events import record_event
from devices.fhir.codes import OBSERVABLES, PANEL, Observable
from devices.fhir.measured import EXTERNAL, Measured, Window
from devices.kinds.measurement import Measurement
from devices.models import ExternalObservation

RECORD = "devices.record_observation"
AHEAD, BEHIND = timedelta(minutes=1), timedelta(days=365)
TAKEN_OVER = {
    "resourceType", "status", "category", "code", "subject", "effectiveDateTime", "valueQuantity", "component",
    "issued",
}  # fmt: skip


def external_walk(
    patients: Collection[UUID], observables: Collection[Observable], window: Window
) -> Iterator[Measured]:
    """Yield external observations in order of time."""
    rows = ExternalObservation.objects.filter(
        patient__in=patients,
        metric__in=[one.key for one in observables],
        at__gte=datetime.fromtimestamp(window.t_from, tz=UTC),
        at__lt=datetime.fromtimestamp(window.t_to, tz=UTC),
    )
    order = ("-at", "-pk") if window.newest_first else ("at", "pk")
    for row in rows.order_by(*order).iterator(chunk_size=200):
        yield measured_elsewhere(row)


def read_external(key: int, patients: Collection[UUID]) -> Measured | None:
    """Return one external observation of any of the patients."""
    row = ExternalObservation.objects.filter(pk=key, patient__in=patients).first()
    return measured_elsewhere(row) if row is not None else None


def measured_elsewhere(row: ExternalObservation) -> Measured:
    """Return a stored row as an observation."""
    values = (row.value, row.second) if row.metric == PANEL else (row.value,)
    return Measured(
        device=EXTERNAL,
        seq=row.pk,
        t=row.at.timestamp(),
        received=row.received_at.timestamp(),
        patient_id=row.patient_id,
        observable=OBSERVABLES[row.metric],
        values=values,
        recorded_by=row.recorded_by_id,
    )


def store_external(access: Access, resource: Resource) -> Measured:
    """Check an Observation and store it. Raises ResourceWrong."""
    if left := sorted(set(resource) - TAKEN_OVER):
        raise ResourceWrong(f"{left[0]} is not kept here.", expression=f"Observation.{left[0]}")
    if resource.get("status") != "final":
        raise ResourceWrong("Only final observations are taken.", expression="Observation.status")
    observable = _observable(resource["code"])
    values = _values(resource, observable)
    row = ExternalObservation.objects.create(
        patient=_patient(access, resource),
        metric=observable.key,
        value=values[0],
        second=values[1] if len(values) > 1 else None,
        at=_moment(access, resource),
        received_at=access.now,
        recorded_by=access.user,
        token_id=access.token_id,
    )
    record_event(
        category=EventCategory.CLINICAL,
        code="observation_received",
        message="A client of the FHIR API sent an observation.",
        patient=row.patient,
        user=access.user,
        detail={"observation": row.pk, "metric": row.metric, "token": access.token_id},
    )
    return measured_elsewhere(row)


def _patient(access: Access, resource: Resource) -> Patient:
    text = resource.get("subject", {}).get("reference", "")
    reference = parse_reference(text, f"{access.base}/") if text else None
    key = uuid_key(reference.id) if reference is not None and reference.type == "Patient" else None
    mine = access.narrow(patients_for(access.user, RECORD), "Observation", "c", "pk")
    patient = mine.filter(pk=key).first() if key is not None else None
    if patient is None:
        raise ResourceWrong("There is no such patient for whom you may record.", expression="Observation.subject")
    return patient


def _observable(code: Resource) -> Observable:
    tokens = [Token(one.get("system", ""), one["code"]) for one in code.get("coding", []) if one.get("code")]
    named = {one.key: one for token in tokens for one in OBSERVABLES.values() if one.named_by(token)}
    if len(named) != 1:
        raise ResourceWrong("This server keeps no observations under this code.", expression="Observation.code")
    return next(iter(named.values()))


def _values(resource: Resource, observable: Observable) -> list[float]:
    if observable.key != PANEL:
        if "component" in resource:
            raise ResourceWrong("This observation has no components.", expression="Observation.component")
        return [_value(resource.get("valueQuantity"), observable.parts[0])]
    if "valueQuantity" in resource:
        raise ResourceWrong("The values of a panel stand in its components.", expression="Observation.value")
    components = resource.get("component", [])
    found = [_component(components, part) for part in observable.parts]
    if len(components) != len(found) or found[0] < found[1]:
        raise ResourceWrong(
            "A panel has a systolic and a diastolic pressure, the first not below the second.",
            expression="Observation.component",
        )
    return found


def _component(components: list[Resource], part: Measurement) -> float:
    for one in components:
        if any(coding.get("code") == part.loinc for coding in one["code"].get("coding", [])):
            return _value(one.get("valueQuantity"), part)
    raise ResourceWrong(f"{part.label} is missing.", expression="Observation.component")


def _value(given: Any, part: Measurement) -> float:
    """Return the number of a Quantity. Raises ResourceWrong unless it has the unit, and could be true."""
    where = "Observation.value"
    if not isinstance(given, dict) or "value" not in given or given.get("comparator"):
        raise ResourceWrong("A value with its unit is needed.", expression=where)
    if given.get("system") != "http://unitsofmeasure.org" or given.get("code") != part.unit:
        raise ResourceWrong(f"The unit must be {part.unit} of http://unitsofmeasure.org.", expression=where)
    value = float(given["value"])
    if not part.permits(value):
        raise ResourceWrong(f"{part.label} lies between {part.low:g} and {part.high:g} {part.unit}.", expression=where)
    return value


def _moment(access: Access, resource: Resource) -> datetime:
    where = "Observation.effective"
    try:
        at = datetime.fromisoformat(resource.get("effectiveDateTime", ""))
    except (TypeError, ValueError) as error:
        raise ResourceWrong("When it was measured is missing.", expression=where) from error
    if at.tzinfo is None:
        raise ResourceWrong("A moment with its time zone is needed.", expression=where)
    if not access.now - BEHIND <= at <= access.now + AHEAD:
        raise ResourceWrong("It was measured in the future, or over a year ago.", expression=where)
    return at.astimezone(UTC)
