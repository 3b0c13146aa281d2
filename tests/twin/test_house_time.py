"""Pages and forms mean the house's time; the database keeps UTC."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from django.http import HttpResponse
from django.utils import timezone

from compliance.models import Shift, User
from tests.conftest import sign_in as signed_in
from twin import env
from twin.house_time import HouseTime

BERLIN = ZoneInfo("Europe/Berlin")  # UTC+1 in November


def test_a_time_typed_into_a_form_is_kept_as_utc_and_shown_again_as_typed(client, cast, settings) -> None:
    settings.HOUSE_TIME_ZONE = BERLIN
    signed_in(client, cast["administrator"], fresh=True)
    page = f"/people/{cast['nurse'].pk}/"
    typed = {"starts_at": "2030-11-21T06:00", "ends_at": "2030-11-21T14:00"}
    client.post(f"{page}shifts/", typed)
    assert f"{Shift.objects.get().starts_at:%Y-%m-%d %H:%M %Z}" == "2030-11-21 05:00 UTC"
    assert "2030-11-21 06:00" in client.get(page).content.decode()


@pytest.mark.parametrize(
    ("role", "lives_in", "reads"),
    [
        ("patient", "America/New_York", "America/New_York"),
        ("patient", "Nowhere/Atall", "Europe/Berlin"),
        ("nurse", "America/New_York", "Europe/Berlin"),
    ],
)
def test_a_patient_reads_the_time_where_the_patient_lives(
    rf, cast, patient, settings, role: str, lives_in: str, reads: str
) -> None:
    settings.HOUSE_TIME_ZONE = BERLIN
    type(patient).objects.filter(pk=patient.pk).update(time_zone=lives_in)
    request = rf.get("/")
    request.user = User.objects.get(pk=cast[role].pk)
    shown = HouseTime(lambda _: HttpResponse(timezone.get_current_timezone_name()))(request)
    assert shown.content.decode() == reads


def test_the_zone_ends_with_the_request(client, db, settings) -> None:
    settings.HOUSE_TIME_ZONE = BERLIN
    client.get("/account/login/")
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize("wrong", ["Berlin", "../../etc/passwd", "\x00"])
def test_a_zone_that_is_none_stops_the_start_with_a_sentence(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "text", lambda _name, _default="": wrong)
    with pytest.raises(env.SettingWrong, match="name a time zone, as in Europe/Berlin"):
        env.zone("HOUSE_TIME_ZONE")
