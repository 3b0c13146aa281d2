"""Device and DeviceMetric: what hangs on a patient, and what it measures."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource, concept, refer
from compliance.fhir.parameters import NEVER, Criterion, Kind, Parameter, between, coded, identifier, int_key, link
from compliance.fhir.registry import Asked, Found, ResourceType
from compliance.fhir.table import Table
from compliance.fhir.values import DateRange, Reference, Token
from compliance.selectors import within_scope
from devices.fhir.codes import codings_of
from devices.kinds.registry import KINDS, Form, Measurement
from devices.models import Device, DeviceState

SERIAL, KIND = "urn:medtwin:device-serial", "urn:medtwin:device-kind"
STATUS = "http://hl7.org/fhir/device-status"
STATUSES = {DeviceState.ACTIVE: "active", DeviceState.QUARANTINED: "inactive", DeviceState.RETIRED: "inactive"}


class Devices(Table[Device]):
    """Devices of the registry."""

    name = "Device"
    about = "A medical device of the registry; inactive while its frames are refused."
    action = "devices.view_device"
    newest_first = False
    born = "created_at"
    changed = "changed_at"
    sort_columns = {"device-name": "label"}
    parameters = (
        link("patient", "Whose signals it carries", "Patient", "patient_id", "patient"),
        identifier("identifier", "Serial number", SERIAL, "serial"),
        coded("type", "Kind of device", KIND, {name: Q(kind=name) for name in KINDS}),
        coded(
            "status",
            "active or inactive",
            STATUS,
            {"active": Q(state=DeviceState.ACTIVE), "inactive": ~Q(state=DeviceState.ACTIVE)},
        ),
    )
    includes = ("patient",)

    def rows(self, access: Access) -> QuerySet[Device]:
        """Return the devices that the person may see."""
        return within_scope(Device.objects.all(), access.scope(self.action), ward_field="gateway__ward_id")

    def render(self, row: Device) -> Resource:
        """Return a Device. Whose it is stands there only as the patient's identifier."""
        kind = KINDS.get(row.kind)
        made: Resource = {
            "resourceType": "Device",
            "id": str(row.pk),
            "identifier": [{"system": SERIAL, "value": row.serial}],
            "status": STATUSES[DeviceState(row.state)],
            "serialNumber": row.serial,
            "deviceName": [{"name": row.label, "type": "user-friendly-name"}],
            "type": concept({"system": KIND, "code": row.kind}, text=kind.label if kind else row.kind),
        }
        return made | ({"patient": refer("Patient", row.patient_id)} if row.patient_id else {})


class DeviceMetrics(ResourceType):
    """What each device measures: a row of its kind's table."""

    name = "DeviceMetric"
    about = "One quantity that a device measures, with its IEEE 11073 code and unit."
    action = Devices.action
    dated = False  # named among the parameters: it is a column of the device
    sorts = ("_id",)
    parameters = (
        Parameter(name="source", kind=Kind.REFERENCE, about="The device", targets=("Device",), path="source"),
        Parameter(name="type", kind=Kind.TOKEN, about="LOINC or IEEE code"),
        Parameter(name="_lastUpdated", kind=Kind.DATE, about="When its device last changed"),
    )
    includes = ("source",)

    def read_many(self, access: Access, ids: Collection[str], letter: str = "r") -> list[Entry]:
        """Return those of the ids that a visible device's kind has."""
        wanted = {key: key.partition(".")[0] for key in ids}
        devices = {row.pk: row for row in self._devices(access, letter).filter(pk__in=_keys(wanted.values()))}
        made = []
        for key, device_key in wanted.items():
            device = devices.get(int_key(device_key) or 0)
            made += [entry for entry in _metrics(device) if entry.id == key] if device else []
        return made

    def find(self, access: Access, asked: Asked) -> Found:
        """Return one page, in the order of the ids."""
        entries = self._matching(access, asked.criteria)
        entries.sort(key=lambda entry: entry.id, reverse="-_id" in asked.sort)
        if asked.after is not None:
            (last,) = asked.after
            entries = [one for one in entries if (one.id < str(last) if "-_id" in asked.sort else one.id > str(last))]
        page = entries[: asked.limit]
        return Found(page, (page[-1].id,) if len(entries) > len(page) and page else None)

    def count(self, access: Access, criteria: tuple[Criterion, ...]) -> int:
        """Return how many there are."""
        return len(self._matching(access, criteria))

    def _devices(self, access: Access, letter: str) -> QuerySet[Device]:
        return access.narrow(Devices().rows(access), self.name, letter, "patient_id")

    def _matching(self, access: Access, criteria: tuple[Criterion, ...]) -> list[Entry]:
        devices = self._devices(access, "s")
        for criterion in criteria:
            if criterion.parameter.name == "source":
                named = [value.id for value in criterion.values if isinstance(value, Reference)]
                devices = devices.filter(pk__in=_keys(named))
            if criterion.parameter.name == "_lastUpdated":
                devices = devices.filter(_changed(criterion))
        entries = [entry for device in devices for entry in _metrics(device)]
        for criterion in criteria:
            entries = [entry for entry in entries if _satisfies(entry, criterion)]
        return entries


def _changed(criterion: Criterion) -> Q:
    met = NEVER
    for span in criterion.values:
        if isinstance(span, DateRange):
            met |= between("changed_at", span)
    return met


def _keys(texts: Collection[str]) -> list[int]:
    return [key for key in map(int_key, texts) if key is not None]


def _satisfies(entry: Entry, criterion: Criterion) -> bool:
    tokens = [value for value in criterion.values if isinstance(value, Token)]
    if criterion.parameter.name == "_id":
        return any(token.code == entry.id for token in tokens)
    if criterion.parameter.name != "type":
        return True
    codings = entry.resource["type"]["coding"]
    met = any(
        token.system in {None, one["system"]} and token.code in {"", one["code"]} for token in tokens for one in codings
    )
    return met != (criterion.modifier == "not")


def _metrics(device: Device) -> list[Entry]:
    kind = KINDS.get(device.kind)
    return [_metric(device, one) for one in kind.measurements] if kind else []


def _metric(device: Device, measurement: Measurement) -> Entry:
    counts = measurement.kind in {Form.SCALAR, Form.COUNTER, Form.WAVEFORM}
    resource: Resource = {
        "resourceType": "DeviceMetric",
        "id": f"{device.pk}.{measurement.key.replace('_', '-')}",
        "type": concept(*codings_of(measurement), text=measurement.label),
        "source": refer("Device", device.pk),
        "operationalStatus": "on" if device.state == DeviceState.ACTIVE else "off",
        "category": "measurement" if measurement.key != "battery" else "unspecified",
    }
    if counts:
        resource["unit"] = concept({"system": "http://unitsofmeasure.org", "code": measurement.unit})
    if measurement.period_s:
        resource["measurementPeriod"] = {"repeat": {"frequency": 1, "period": measurement.period_s, "periodUnit": "s"}}
    return Entry(resource, device.changed_at, device.patient_id)
