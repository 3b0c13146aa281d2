"""The device pages: who sees what, what health says, and how a device is kept out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from compliance.models import Event
from devices.errors import StoreUnavailable
from devices.kinds.registry import KINDS, by_key
from devices.models import Device, Gateway, PathTally
from devices.selectors import GATEWAY_SILENT_AFTER, Health, device_rows, devices_for, is_up, patience_s
from devices.services import worn
from devices.services.paths import add_path
from devices.signals import device_changed
from devices.telemetry import Reading
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
LIST = "/devices/"


class Shelf:
    """A telemetry store that holds what a test puts into it."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.broken = False

    def latest(self, device_ids):
        if self.broken:
            raise StoreUnavailable
        return [reading for reading in self.readings if reading.device in set(device_ids)]


@pytest.fixture
def shelf(monkeypatch):
    held = Shelf()
    monkeypatch.setattr(worn, "store", lambda: held)
    return held


@pytest.fixture
def device(ward, patient, shelf):
    gateway = Gateway.objects.create(name="Gateway east", ward=ward, public_key=b"k" * 32, last_seen_at=timezone.now())
    return Device.objects.create(
        serial="CGM-77", kind="cgm", label="Glucose sensor", gateway=gateway, patient=patient, key_sealed=b""
    )


@pytest.fixture
def foreign_device(other_ward, foreign_patient, shelf):
    gateway = Gateway.objects.create(name="Gateway west", ward=other_ward, public_key=b"k" * 32)
    return Device.objects.create(
        serial="CGM-99", kind="cgm", label="Elsewhere", gateway=gateway, patient=foreign_patient, key_sealed=b""
    )


def enter(client, user):
    sign_in(client, user, fresh=True)


def page(device, name="device", *more):
    return reverse(f"devices:{name}", args=[device.pk, *more])


def reading(device, key, value, age_s=1.0):
    t = timezone.now().timestamp() - age_s
    return Reading(device.pk, 1, by_key(key).code, t, value, t)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("nurse", 200),
        ("physician", 200),
        ("caregiver", 200),
        ("administrator", 200),
        ("trainer", 200),
        ("outsider", 403),
    ],
)
def test_the_table_and_the_page_are_for_those_who_may(client, cast, device, who, status):
    enter(client, cast[who])
    assert client.get(LIST).status_code == status
    assert client.get(page(device)).status_code == status


def test_a_device_of_another_ward_is_not_found_and_not_listed(client, cast, device, foreign_device):
    enter(client, cast["administrator"])
    assert client.get(page(foreign_device)).status_code == 404
    assert "Elsewhere" not in client.get(LIST).content.decode()


def test_the_list_agrees_with_the_object_check(cast, device, foreign_device):
    for user in cast.values():
        listed = set(devices_for(user))
        assert listed == {d for d in (device, foreign_device) if user.has_perm("devices.view_device", d)}


@pytest.mark.parametrize("who", ["nurse", "physician", "caregiver", "trainer", "outsider"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_administrators_change_a_device(client, cast, device, who, method):
    enter(client, cast[who])
    assert getattr(client, method)(page(device, "device_state", "quarantined")).status_code == 403
    assert "Quarantine" not in client.get(page(device)).content.decode()
    device.refresh_from_db()
    assert device.state == "active"


def test_an_administrator_cannot_change_a_device_of_another_ward(client, cast, foreign_device):
    enter(client, cast["administrator"])
    assert client.post(page(foreign_device, "device_state", "quarantined")).status_code == 404


def test_quarantine_asks_first_and_is_recorded(client, cast, device, django_capture_on_commit_callbacks):
    changed = []
    device_changed.connect(lambda device_id, **_: changed.append(device_id), weak=False, dispatch_uid="test")
    enter(client, cast["administrator"])
    address = page(device, "device_state", "quarantined")
    asked = client.get(address)
    assert "Its frames are refused" in asked.content.decode()
    device.refresh_from_db()
    assert device.state == "active"
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(address)
    device_changed.disconnect(dispatch_uid="test")
    device.refresh_from_db()
    assert (answer.status_code, device.state, changed) == (302, "quarantined", [device.pk])
    assert Event.objects.get(code="device_quarantined").user == cast["administrator"]


def test_a_quarantined_device_can_be_let_in_again(client, cast, device):
    Device.objects.update(state="quarantined")
    enter(client, cast["administrator"])
    assert "Let in again" in client.get(page(device)).content.decode()
    client.post(page(device, "device_state", "active"))
    device.refresh_from_db()
    assert device.state == "active"


def test_retiring_needs_the_serial_number(client, cast, device):
    enter(client, cast["administrator"])
    address = page(device, "device_state", "retired")
    refused = client.post(address, {"serial": "CGM-78"})
    device.refresh_from_db()
    assert (refused.status_code, device.state) == (400, "active")
    assert client.post(address, {"serial": "CGM-77"}).status_code == 302
    device.refresh_from_db()
    assert device.state == "retired"


@pytest.mark.parametrize("state", ["active", "broken"])
def test_a_change_that_makes_no_sense_is_not_found(client, cast, device, state):
    enter(client, cast["administrator"])
    assert client.post(page(device, "device_state", state)).status_code == 404


def test_a_retired_device_offers_no_change(client, cast, device):
    Device.objects.update(state="retired")
    enter(client, cast["administrator"])
    assert client.post(page(device, "device_state", "active")).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=glucose", True),
        ("?q=byron+77", True),
        ("?q=east", True),
        ("?q=lancet", False),
        ("?kind=cgm", True),
        ("?kind=mr_scanner", False),
        ("?state=active", True),
        ("?state=retired", False),
    ],
)
def test_the_table_is_filtered_by_its_url(client, cast, device, query, found):
    enter(client, cast["nurse"])
    text = client.get(LIST + query, headers={"HX-Request": "true", "HX-Target": "devices"}).content.decode()
    assert ("CGM-77" in text) is found
    assert ("No device matches" in text) is not found
    assert "<html" not in text


def test_a_ward_without_devices_says_so(client, cast, shelf):
    enter(client, cast["nurse"])
    assert "No devices yet" in client.get(LIST).content.decode()


def test_the_page_shows_codes_units_ranges_and_the_newest_value(client, cast, device, shelf):
    shelf.readings = [reading(device, "glucose", 112.4), reading(device, "battery", 80)]
    enter(client, cast["nurse"])
    text = client.get(page(device)).content.decode()
    for part in ("2::29140", "99504-3", "10 to 1000 mg/dL", "300 s", ">112</a>", "80 %"):
        assert part in text


def test_telemetry_that_cannot_be_read_leaves_the_registry_readable(client, cast, device, shelf):
    shelf.broken = True
    enter(client, cast["nurse"])
    for address in (LIST, page(device)):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "could not be read" in answer.content.decode()
        assert "CGM-77" in answer.content.decode()


def state_of(device, *readings):
    (row,) = device_rows([device], readings, timezone.now())
    return row


def test_health_names_the_most_important_thing(device):
    assert state_of(device).health is Health.UNHEARD
    assert state_of(device, reading(device, "glucose", 100)).health is Health.WELL
    assert (
        state_of(device, reading(device, "glucose", 100), reading(device, "battery", 12)).health is Health.LOW_BATTERY
    )
    assert state_of(device, reading(device, "glucose", 100, age_s=901)).health is Health.SILENT
    device.state = "quarantined"
    assert state_of(device, reading(device, "glucose", 100, age_s=901)).health is Health.QUARANTINED


def test_the_battery_of_a_silent_device_is_not_believed(device):
    assert state_of(device, reading(device, "battery", 90, age_s=5000)).battery_percent is None


def test_patience_follows_the_slowest_measurement():
    assert patience_s(KINDS["cgm"]) == 900
    assert patience_s(None) == 60


def test_a_gateway_is_up_while_it_is_heard(device):
    gateway = device.gateway
    gateway.last_seen_at = NOW
    assert is_up(gateway, NOW + GATEWAY_SILENT_AFTER - timedelta(seconds=1))
    assert not is_up(gateway, NOW + GATEWAY_SILENT_AFTER)
    gateway.state = "quarantined"
    assert not is_up(gateway, NOW)


def test_a_caregiver_sees_the_devices_of_the_linked_patient_and_no_gateway(client, cast, device, patient):
    enter(client, cast["caregiver"])
    text = client.get(LIST).content.decode()
    assert "CGM-77" in text
    assert '<h2 id="gateways">' not in text


def test_a_gateway_of_another_ward_that_hears_the_device_goes_without_its_name(client, cast, device, other_ward, shelf):
    add_path(device=device, gateway=Gateway.objects.create(name="Gateway hall", ward=other_ward, public_key=b"h" * 32))
    text = sign_in(client, cast["nurse"]).get(f"/devices/{device.pk}/").content.decode()
    assert "A gateway that you may not see" in text
    assert "Gateway hall" not in text


def test_the_page_says_which_gateways_hear_the_device_and_how_much_of_it(client, cast, device, ward, shelf):
    page = f"/devices/{device.pk}/"
    assert "Heard by" not in sign_in(client, cast["nurse"]).get(page).content.decode()
    other = Gateway.objects.create(name="Gateway hall", ward=ward, public_key=b"h" * 32)
    path, _key = add_path(device=device, gateway=other)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    PathTally.objects.create(device=device, gateway=device.gateway, hour=hour, first=60, repeated=15)
    PathTally.objects.create(device=device, gateway=other, hour=hour, first=40, repeated=10)
    PathTally.objects.create(device=device, gateway=other, hour=hour - timedelta(hours=25), first=900)
    html = " ".join(client.get(page).content.decode().split())
    heard = html[html.index("Heard by") :]
    for name, number, shown in (
        ("Gateway east", device.pk, ("75", "75 %")),
        ("Gateway hall", path.number, ("50", "50 %")),
    ):
        row = heard[heard.index(name) :]
        row = row[: row.index("</tr>")]
        assert all(f">{one}</td>" in row for one in (number, *shown)), name
