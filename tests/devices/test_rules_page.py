"""The rules of a gateway for a device, and its cipher, in the browser: wished, refused by name, and told back."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compliance.models import Event, LogEntry
from devices.models import DesiredSettings, Device
from devices.protocol.facts import Fact, FactKind
from devices.protocol.settings import DeviceSettings
from devices.selectors.settings import Follows, rules_standing, standing_of
from devices.services.facts import Arrived, ToldFact, keep_facts
from devices.services.registry import register_device, register_gateway
from devices.services.settings import configure_device
from tests.conftest import sign_in
from tests.devices.pairing.paired import pair_now

pytestmark = pytest.mark.django_db
ASCON = {"suite": "ascon-aead128"}


@pytest.fixture
def admin(fresh_client, cast):
    return fresh_client(cast["administrator"])


@pytest.fixture
def pump(ward, patient) -> Device:
    gateway = register_gateway(name="North", ward=ward)
    pair_now(gateway)
    made, _key = register_device(serial="P-1", kind="insulin_pump", label="Pump", gateway=gateway, patient=patient)
    return made


def place(device: Device) -> str:
    return reverse("devices:device_rules", args=[device.pk])


def choose(**other: str) -> dict[str, str]:
    names = ("severe_low", "pump_trouble", "over_infusion", "low_reservoir", "low_battery")
    return ASCON | dict.fromkeys(names, "own") | other


def tell(device: Device, seq: int, rule: str, **values: float) -> None:
    now = time.time() + seq
    said = "below_mg_dl is 90; safe is 40 to 70"
    told = Fact(device.pk, now, FactKind.SET, rule, 0, said, "what it runs.", False, values)
    keep_facts([Arrived(ToldFact(seq, told), b"frame", b"s" * 32, device.gateway_id, 0)], now)


def follows(device: Device) -> dict[str, Follows]:
    return {one.name: one.follows for one in rules_standing(device)}


def test_a_rule_is_wished_with_its_bounds_and_is_a_fact_in_the_log(admin, cast, pump) -> None:
    page = admin.get(place(pump)).content.decode()
    assert "Severe low glucose" in page
    assert "As the gateway is configured." in page
    assert "No glucose readings" not in page  # that is a monitor's
    answer = admin.post(
        place(pump), choose(**{"severe_low": "on", "severe_low-below_mg_dl": "60", "low_battery": "off"})
    )
    assert answer.status_code == 302
    wish = DesiredSettings.objects.get()
    assert wish.rules == {"severe_low": {"on": True, "below_mg_dl": 60.0}, "low_battery": {"on": False}}
    assert (wish.suite, wish.set_by) == (None, cast["administrator"])
    event = Event.objects.get(code="device_configured")
    assert event.detail["after"]["rules"] == wish.rules
    assert event.detail["before"] is None
    assert LogEntry.objects.filter(event_id=event.pk).exists()
    assert follows(pump)["severe_low"] is Follows.WAITING


def test_how_often_it_sends_and_its_rules_are_wished_apart(admin, pump) -> None:
    admin.post(place(pump), choose(low_battery="off"))
    label = {"label": "Pump", "every_s": "5", "deflate": "on"}
    admin.post(reverse("devices:device_settings", args=[pump.pk]), label | {"seen": "1"})
    assert DesiredSettings.objects.get().wanted == DeviceSettings(5.0, True, "", {"low_battery": {"on": False}})
    admin.post(place(pump), choose(seen="2"))
    assert DesiredSettings.objects.get().wanted == DeviceSettings(
        5.0, True, "", {}
    )  # as the gateway is configured again


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"severe_low": "on", "severe_low-below_mg_dl": "90"}, "below_mg_dl is 90; safe is 40 to 70"),
        ({"severe_low": "on", "severe_low-in_a_row": "1.5"}, "Expected `int`"),
        ({"severe_low": "on", "severe_low-longest_min": "9999"}, "safe is 15 to 240"),
        ({"over_infusion": "off"}, "Select a valid choice"),
        ({"severe_low": "off"}, "Select a valid choice"),
        ({"suite": "photon-beetle-aead128"}, "Select a valid choice"),
        ({"severe_low": "sometimes"}, "Select a valid choice"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused_here_by_name(admin, pump, settings, wrong, words) -> None:
    settings.MEASUREMENT_CIPHERS = False
    answer = admin.post(place(pump), choose(**wrong))
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not DesiredSettings.objects.exists()


def test_a_cipher_for_measurement_is_offered_only_where_the_house_allows_it_and_says_so(admin, pump, settings) -> None:
    settings.MEASUREMENT_CIPHERS = False
    assert "PHOTON" not in admin.get(place(pump)).content.decode()
    settings.MEASUREMENT_CIPHERS = True
    assert "PHOTON-Beetle (for measurement)" in admin.get(place(pump)).content.decode()


def test_what_runs_stands_beside_what_is_wished(admin, pump) -> None:
    admin.post(place(pump), choose(severe_low="on", low_battery="off", low_reservoir="on"))
    tell(pump, 1, "severe_low", number=1.0, on=1.0, refused=1.0)
    tell(pump, 2, "low_battery", number=1.0, on=0.0, refused=0.0)
    assert follows(pump) == {
        "severe_low": Follows.REFUSED,
        "pump_trouble": Follows.WAITING,
        "over_infusion": Follows.WAITING,
        "low_reservoir": Follows.WAITING,
        "low_battery": Follows.YES,
    }
    page = admin.get(place(pump)).content.decode()
    assert "Not followed: below_mg_dl is 90; safe is 40 to 70" in page
    assert "It runs: what it runs. Said" in page
    (event,) = Event.objects.filter(code="edge_set")  # of what is followed, the fact of all settings speaks
    assert "did not take every setting" in event.message


def test_a_gateway_that_knows_no_rules_from_here_is_said_to_be_older(admin, pump) -> None:
    admin.post(place(pump), choose(severe_low="on"))
    tell(pump, 1, "settings", number=1.0, every_s=0.0, deflate=0.0)  # as gateways of before answer
    assert set(follows(pump).values()) == {Follows.UNKNOWN}
    assert "its software is older" in admin.get(place(pump)).content.decode()
    standing = standing_of(pump)
    assert standing is not None
    assert standing.taken_at is not None


def test_of_many_answers_the_newest_of_each_rule_is_read_and_no_frame(pump) -> None:
    configure_device(device=pump, wanted=DeviceSettings(rules={"low_battery": {"on": False}}))
    for seq in range(1, 7):
        tell(pump, seq, "low_battery", number=float(seq % 2), on=0.0, refused=0.0)
        tell(pump, seq + 10, "severe_low", number=1.0, on=1.0, refused=0.0)
    tell(pump, 20, "low_battery", number=1.0, on=0.0, refused=0.0)
    with CaptureQueriesContext(connection) as asked:
        standing = {one.name: one for one in rules_standing(pump)}
    assert not [one["sql"] for one in asked if '"frame"' in one["sql"]]
    assert all("LIMIT 1" in one["sql"] for one in asked if "edgefact" in one["sql"])
    assert standing["low_battery"].follows is Follows.YES
    assert [one.told.seq for one in standing.values() if one.told is not None] == [16, 20]


def test_a_rule_of_its_own_fact_is_not_taken_for_how_it_sends(pump) -> None:
    configure_device(device=pump, wanted=DeviceSettings(rules={}))
    tell(pump, 1, "severe_low", number=1.0, on=1.0, refused=0.0)
    standing = standing_of(pump)
    assert standing is not None
    assert standing.taken_at is None
    assert follows(pump)["severe_low"] is Follows.OWN


def test_only_administrators_with_a_fresh_factor_wish(client, cast, pump) -> None:
    for role in ("nurse", "physician", "caregiver", "trainer"):
        sign_in(client, cast[role], fresh=True)
        assert client.post(place(pump), choose(severe_low="on")).status_code in {403, 404}
    sign_in(client, cast["administrator"])
    assert "step-up" in client.post(place(pump), choose(severe_low="on"))["Location"]
    assert not DesiredSettings.objects.exists()


def test_a_gateway_that_was_never_paired_takes_no_rules(admin, ward) -> None:
    gateway = register_gateway(name="Old", ward=ward, public_key=bytes(32))
    made, _key = register_device(serial="S", kind="insulin_pump", label="P", gateway=gateway, patient=None)
    answer = admin.post(place(made), choose(severe_low="on"))
    assert answer.status_code == 400
    assert "pair it first" in answer.content.decode()


def test_an_old_page_of_rules_overwrites_no_newer_wish(admin, pump) -> None:
    opened = str(admin.get(place(pump)).context["form"]["seen"].value())
    configure_device(device=pump, wanted=DeviceSettings(rules={"low_battery": {"on": False}}))
    answer = admin.post(place(pump), choose(seen=opened, low_reservoir="off"))
    assert answer.status_code == 409
    assert "something else was wished of this device after this page was opened" in answer.content.decode()
    assert answer.context["form"]["low_reservoir"].value() == "off"  # what was chosen still stands there
    assert DesiredSettings.objects.get().rules == {"low_battery": {"on": False}}
    opened = str(admin.get(place(pump)).context["form"]["seen"].value())
    assert admin.post(place(pump), choose(seen=opened, low_reservoir="off")).status_code == 302
    assert DesiredSettings.objects.get().rules == {"low_reservoir": {"on": False}}


def test_a_cipher_that_was_forbidden_later_stays_until_another_is_chosen(admin, pump, settings) -> None:
    settings.MEASUREMENT_CIPHERS = True
    photon = "photon-beetle-aead128"
    assert admin.post(place(pump), choose(suite=photon)).status_code == 302
    settings.MEASUREMENT_CIPHERS = False
    page = admin.get(place(pump))
    assert f'<option value="{photon}" selected>' in page.content.decode()
    assert "(for measurement, not allowed any more)" in page.content.decode()
    assert admin.post(place(pump), choose(seen="1", suite=photon, low_battery="off")).status_code == 302
    often = {"label": "Pump", "every_s": "5", "seen": "2"}
    assert admin.post(reverse("devices:device_settings", args=[pump.pk]), often).status_code == 302
    wanted = DeviceSettings(5.0, False, photon, {"low_battery": {"on": False}})
    assert DesiredSettings.objects.get().wanted == wanted
    assert admin.post(place(pump), choose(seen="3")).status_code == 302  # ASCON
    assert admin.post(place(pump), choose(seen="4", suite=photon)).status_code == 400
    assert DesiredSettings.objects.get().wanted.suite == ASCON["suite"]
