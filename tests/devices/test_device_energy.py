"""A device's energy page: another way of sending is reckoned, and what runs out is foretold."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from devices.kinds.registry import KINDS, by_key
from devices.models import Device, DeviceAssignment, Gateway
from devices.selectors.supplies import life_of, supplies
from devices.services import supplies as supplies_service
from devices.telemetry import Reading
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
FIVE_MINUTES = {"period_s": 300, "batch": 1, "link": "ble", "suite": 1, "at_once": "on"}


@pytest.fixture
def pump(ward, patient):
    gateway = Gateway.objects.create(name="Gateway east", ward=ward, public_key=b"k" * 32)
    return Device.objects.create(
        serial="PUMP-7", kind="insulin_pump", label="Insulin pump", gateway=gateway, patient=patient, key_sealed=b""
    )


def page(client, device, **asked):
    return client.get(reverse("devices:device_energy", args=[device.pk]), asked)


def falling(device: Device, key: str, per_hour: float, hours: int = 48, start: float = 100.0) -> list[Reading]:
    now = timezone.now().timestamp()
    code = by_key(key).code
    times = [now - (hours - hour) * 3600.0 for hour in range(hours)]
    return [Reading(device.pk, i + 1, code, t, start - per_hour * i, t) for i, t in enumerate(times)]


def test_a_sensor_that_is_believed_for_long_is_answered_as_asked(client, cast, pump):
    pump.kind = "cgm"
    pump.save()
    sign_in(client, cast["nurse"])
    said = page(client, pump, **FIVE_MINUTES).content.decode()
    assert "If it measures every 5 minutes and sends 1 at a time, a charge lasts" in said
    assert "Not every" not in said


def test_polling_a_pump_every_five_minutes_is_answered_with_what_a_gateway_would_do(client, cast, pump):
    sign_in(client, cast["nurse"])
    answer = page(client, pump, **FIVE_MINUTES)
    said = answer.content.decode()
    assert "Asked for every 5 minutes and 1 at a time, its gateway would hear it every 1.7 minutes" in said
    assert "a crossed limit is known up to 40 seconds later" in said
    assert "Not every 5 minutes but every 1.7 minutes: the ward believes its values for 5 minutes" in said
    assert answer.context["then"].period_s == 100.0, "every figure is that of what would really be sent"


def test_what_else_hangs_on_the_gateway_bounds_how_long_a_reading_waits(client, cast, pump, patient):
    sign_in(client, cast["nurse"])
    gathered = {**FIVE_MINUTES, "period_s": 60, "batch": 2}
    assert page(client, pump, **gathered).context["then"].batch == 2
    monitor = Device.objects.create(
        serial="M-7", kind="vital_signs_monitor", label="Monitor", gateway=pump.gateway, patient=patient, key_sealed=b""
    )
    answer = page(client, pump, **gathered)
    assert answer.context["then"].batch == 1
    assert "Not 2 measurements a message but 1: no reading waits longer than 10 seconds" in answer.content.decode()
    assert "No reading waits longer than 10 seconds: the ward believes it for 30 seconds." in answer.content.decode()
    monitor.state = "retired"
    monitor.save()
    assert page(client, pump, **gathered).context["then"].batch == 2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_device_says_what_five_minutes_would_do(client, cast, pump, kind):
    pump.kind = kind
    pump.save()
    sign_in(client, cast["nurse"])
    answer = page(client, pump, **FIVE_MINUTES)
    now, polls = answer.context["now"], answer.context["polls"]
    lasts = "it hangs on the mains" if KINDS[kind].power is None else "a charge lasts"
    assert lasts in answer.context["in_words"]
    assert "a crossed limit is known" in answer.context["in_words"]
    assert polls[0].asked.endswith(", now")
    assert [poll.asked for poll in polls[1:]] == [
        words
        for seconds, words in ((10, "10 seconds"), (60, "60 seconds"), (300, "5 minutes"))
        if seconds > now.period_s
    ]


def test_every_cipher_and_no_seal_and_every_link_stand_side_by_side(client, cast, pump):
    sign_in(client, cast["nurse"])
    said = page(client, pump).content.decode()
    for label in ("Ascon-AEAD128", "AES-128-GCM", "PHOTON-Beetle", "no seal", "LTE-M", "IEEE 802.15.4"):
        assert f'<th scope="row">{label}' in said
    assert "What the house would choose" in said


@pytest.mark.parametrize(
    "wrong", [{"period_s": "0"}, {"period_s": "nan"}, {"batch": "7"}, {"link": "pigeon"}, {"suite": "9"}]
)
def test_what_cannot_be_reckoned_is_said_and_the_present_stays(client, cast, pump, wrong):
    sign_in(client, cast["nurse"])
    answer = page(client, pump, **(FIVE_MINUTES | wrong))
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert answer.context["then"] == answer.context["now"]


def test_htmx_gets_the_answer_alone(client, cast, pump):
    sign_in(client, cast["nurse"])
    url = reverse("devices:device_energy", args=[pump.pk])
    said = client.get(url, FIVE_MINUTES, headers={"HX-Request": "true", "HX-Target": "answer"}).content.decode()
    assert "<html" not in said
    assert "Now and then" in said


def test_a_device_of_another_ward_is_as_one_that_is_not_there(client, cast, other_ward, foreign_patient):
    gateway = Gateway.objects.create(name="Gateway west", ward=other_ward, public_key=b"k" * 32)
    device = Device.objects.create(
        serial="P-9", kind="cgm", label="Elsewhere", gateway=gateway, patient=foreign_patient, key_sealed=b""
    )
    sign_in(client, cast["nurse"])
    assert page(client, device).status_code == page(client, Device(pk=999_999)).status_code == 404


def test_reservoir_and_battery_are_foretold_from_their_own_use(pump):
    history = falling(pump, "insulin_reservoir", 1.5, start=200.0) + falling(pump, "battery", 0.5)
    found = {one.measurement.key: one for one in supplies(KINDS["insulin_pump"], history)}
    assert set(found) == {"insulin_reservoir", "battery"}
    reservoir = found["insulin_reservoir"]
    assert reservoir.empty_at is not None
    assert abs(reservoir.empty_at - (timezone.now() + timedelta(hours=(200 - 70.5) / 1.5))) < timedelta(hours=2)


def test_a_sensor_says_how_long_it_may_still_be_worn(client, cast, pump, patient):
    sensor = Device.objects.create(
        serial="CGM-7", kind="cgm", label="Glucose monitor", gateway=pump.gateway, patient=patient, key_sealed=b""
    )
    DeviceAssignment.objects.filter(device=sensor).update(starts_at=timezone.now() - timedelta(days=4))
    sign_in(client, cast["nurse"])
    url = reverse("devices:device", args=[sensor.pk])
    assert "5 days, 23 hours</strong> left" in client.get(url).content.decode().replace("\xa0", " ")
    DeviceAssignment.objects.filter(device=sensor).update(starts_at=timezone.now() - timedelta(days=12))
    assert "Its time is over" in client.get(url).content.decode()
    assert "Sensor</h3>" not in client.get(reverse("devices:device", args=[pump.pk])).content.decode()


def test_what_is_made_for_a_time_lives_from_when_it_came_to_its_wearer():
    life = life_of(KINDS["cgm"], 1_800_000_000.0)
    assert life is not None
    assert life.days_left(life.worn_since) == 10.0
    assert life_of(KINDS["cgm"], None) is None, "nobody ever wore it"
    assert life_of(KINDS["insulin_pump"], 1_800_000_000.0) is None, "nothing says for how long"


def test_the_device_page_says_when_the_reservoir_is_empty(client, cast, pump, monkeypatch):
    class Shelf:
        def history(self, devices, metrics, t_from, t_to, max_points=None):
            return falling(pump, "insulin_reservoir", 2.0, start=200.0)

    monkeypatch.setattr(supplies_service, "store", lambda: Shelf())
    sign_in(client, cast["nurse"])
    said = client.get(reverse("devices:device", args=[pump.pk])).content.decode()
    assert "Reservoir</h3>" in said
    assert "Nine chances in ten" in said
