"""Every way of losing a right closes open pages, by its news or its hour alone, with real sockets and a real broker.

How soon is measured where nothing else runs beside it: benchmarks/revocation.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone

from compliance.models import BrowserSession, CareRelationship, Consent, EmergencyAccess, Shift
from compliance.policy import Role, house_text
from compliance.privacy.purposes import TEXT_VERSION, How, Purpose
from compliance.selectors.ends import next_change
from compliance.services import people, policy
from compliance.services.consents import decide_consent
from compliance.services.emergency import end_access, open_record
from tests.compliance.policy.test_querysets import LOCKED
from tests.compliance.policy.versions import activate
from tests.conftest import sign_in
from tests.patience import PATIENCE_S
from tests.twin.live.test_browser_sockets import closed, hear, open_socket, signed_in
from twin import consumers
from twin.services.live import hub

pytestmark = pytest.mark.django_db(transaction=True)


def role_changed(cast, patient):
    people.change_role(by=cast["administrator"], person=cast["nurse"], role=Role.NONE)


def relationship_ended(cast, patient):
    held = CareRelationship.objects.get(user=cast["nurse"])
    people.end_link(by=cast["administrator"], relationship=held, now=timezone.now())


def account_switched_off(cast, patient):
    people.set_active(by=cast["administrator"], person=cast["nurse"], active=False)


def policy_activated(cast, patient):
    narrower = house_text().replace('"compliance.view_patient" = "ward"\n', "")
    version = policy.put_down(text=narrower, note="", by=None, now=timezone.now())
    policy.activate(version=version, by=None, now=timezone.now())


def consent_withdrawn(cast, patient):
    decide_consent(
        patient=patient, purpose=Purpose.CARE_FAMILY, given=False, user=cast["nurse"], how=How.PAPER,
        text_version=TEXT_VERSION, now=timezone.now(),
    )  # fmt: skip
    assert Consent.objects.filter(given=False).exists()


def emergency_opened(cast, patient):
    open_record(
        user=cast["nurse"], record_number=patient.medical_record_number, birth_date=patient.birth_date,
        reason="emergency", explanation="A test.", now=timezone.now(),
    )  # fmt: skip


def emergency_ended(cast, patient):
    held = EmergencyAccess.objects.get()
    end_access(access_id=held.pk, user=held.user, now=timezone.now())


@pytest.fixture
def asked_only_when_told(monkeypatch):
    """Let no page ask the policy of its own accord: what closes then was closed by the news."""
    monkeypatch.setattr(consumers, "RIGHTS_IDLE_S", 3600.0)
    monkeypatch.setattr(consumers, "RIGHTS_HOLD_S", 3600.0)


async def closes(user, patient, change, cast) -> None:
    socket = await open_socket(f"/ws/patient/{patient.pk}/", user)
    await hear(socket, "hello")
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    await sync_to_async(change)(cast, patient)
    await hear(socket, "revoked")
    assert await closed(socket) == 4403


@pytest.mark.parametrize("change", [role_changed, relationship_ended, account_switched_off, policy_activated])
async def test_a_nurse_who_loses_a_right_sees_no_more(valkey, asked_only_when_told, cast, patient, change):
    await closes(cast["nurse"], patient, change, cast)


async def test_a_caregiver_sees_no_more_after_the_patients_word(valkey, asked_only_when_told, cast, patient):
    await closes(cast["caregiver"], patient, consent_withdrawn, cast)


async def test_a_record_opened_in_an_emergency_closes_when_it_is_ended(
    valkey, asked_only_when_told, cast, foreign_patient
):
    await sync_to_async(emergency_opened)(cast, foreign_patient)
    await closes(cast["nurse"], foreign_patient, emergency_ended, cast)


# --- What ends by time alone ----------------------------------------------------------------------------------------

SOON_S = [1.2, 5.0, 20.0]  # the next where the page was not open before its right ended


@pytest.fixture
def asked_only_at_the_hour(asked_only_when_told, monkeypatch):
    """As above, and there is no broker either: nothing but the clock closes a page."""
    monkeypatch.setattr(consumers, "RIGHTS_UNHEARD_S", 3600.0)


async def opened_in_time(path: str, session, moment_s: float):
    """Open a page and return it, or None where a busy machine took longer than until `moment_s` on the wall's clock."""
    socket = await open_socket(path, session=session)
    first = json.loads(await socket.receive_from())["type"]
    if first == "hello" and time.time() < moment_s:
        return socket
    await closed(socket)
    return None


def shift_ends(cast, patient, at):
    grace = timedelta(minutes=30)
    Shift.objects.create(user=cast["nurse"], starts_at=at - timedelta(hours=8), ends_at=at - grace)


def relationship_runs_out(cast, patient, at):
    CareRelationship.objects.filter(user=cast["nurse"]).update(ends_at=at)


def emergency_runs_out(cast, patient, at):
    CareRelationship.objects.filter(user=cast["nurse"]).delete()
    EmergencyAccess.objects.create(
        user=cast["nurse"], patient=patient, reason="emergency", reason_words="e", explanation="e",
        opened_at=at - timedelta(hours=1), ends_at=at,
    )  # fmt: skip


def sign_in_runs_out(cast, patient, at):
    BrowserSession.objects.filter(user=cast["nurse"]).update(began_at=at - timedelta(hours=12))


def person_goes_away(cast, patient, at):
    BrowserSession.objects.filter(user=cast["nurse"]).update(touched_at=at - timedelta(minutes=15))


ENDS = [shift_ends, relationship_runs_out, emergency_runs_out, sign_in_runs_out, person_goes_away]


@pytest.mark.parametrize("prepare", ENDS)
async def test_a_right_that_time_ends_closes_the_page_at_its_hour(
    prepare, asked_only_at_the_hour, cast, patient, settings
):
    settings.IDLE_FOR, settings.SIGNED_IN_FOR = timedelta(minutes=15), timedelta(hours=12)
    for soon_s in SOON_S:
        session = await signed_in(cast["nurse"])
        ends = timezone.now() + timedelta(seconds=soon_s)
        await sync_to_async(prepare)(cast, patient, ends)
        if socket := await opened_in_time(f"/ws/patient/{patient.pk}/", session, ends.timestamp()):
            break
    assert socket, "the machine is too busy to open a page in 20 s"
    await hear(socket, "revoked")
    assert await closed(socket) == 4403
    assert timezone.now() >= ends


def test_the_next_change_is_the_nearest_of_all_that_time_brings(cast, patient):
    nurse, now = cast["nurse"], timezone.now()
    assert next_change(nurse, now) is None
    moments = [now + timedelta(minutes=n) for n in (50, 40, 30, 20, 10)]
    CareRelationship.objects.filter(user=nurse).update(ends_at=moments[0])
    assert next_change(nurse, now) == moments[0]
    CareRelationship.objects.create(user=nurse, patient=patient, starts_at=moments[1])
    assert next_change(nurse, now) == moments[1]
    grace = timedelta(minutes=30)
    Shift.objects.create(user=nurse, starts_at=moments[2] + grace, ends_at=moments[2] + 4 * grace)
    assert next_change(nurse, now) == moments[2]
    Shift.objects.create(user=nurse, starts_at=now - 9 * grace, ends_at=moments[3] - grace)
    assert next_change(nurse, now) == moments[3]
    emergency_runs_out({"nurse": nurse}, patient, moments[4])
    assert next_change(nurse, now) == moments[4]
    assert next_change(nurse, moments[4]) == moments[3]


def test_an_hour_of_a_rule_is_a_change_today_or_tomorrow(cast):
    rule = '[[rules]]\nname = "nights"\neffect = "refuse"\nhours = ["22:00", "06:00"]\nbecause = "at night"\n'
    activate(house_text() + rule)
    for at, wanted in (("2026-06-01T12:00", "2026-06-01T22:00"), ("2026-06-01T23:00", "2026-06-02T06:00")):
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
        assert next_change(cast["nurse"], moment) == datetime.fromisoformat(wanted).replace(tzinfo=UTC)


async def test_a_page_opened_by_a_proof_closes_when_the_proof_is_stale(asked_only_at_the_hour, cast, patient):
    await sync_to_async(activate)(house_text() + LOCKED)
    session = await signed_in(cast["nurse"])
    stale = await open_socket(f"/ws/patient/{patient.pk}/", session=session)
    await hear(stale, "revoked")
    for soon_s in SOON_S:
        ends_s = time.time() + soon_s
        session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": ends_s - 300}]
        session["account_authentication_methods_user"] = str(cast["nurse"].pk)
        await sync_to_async(session.save)()
        if fresh := await opened_in_time(f"/ws/patient/{patient.pk}/", session, ends_s):
            break
    assert fresh, "the machine is too busy to open a page in 20 s"
    await hear(fresh, "revoked")
    assert await closed(fresh) == 4403
    assert time.time() >= ends_s


# --- Requests, which ask anew each time -----------------------------------------------------------------------------


def test_a_callback_and_a_token_are_refused_from_the_next_request_on(client, cast, patient):
    from tests.compliance.policy.test_freshness import bearer
    from tests.twin.dashboard.test_access import address, question

    nurse, body = cast["nurse"], question("security", "")
    sign_in(client, nurse)
    headers = bearer(nurse, None, "user/*.rs")

    def answers() -> tuple[int, int]:
        callback = client.post(address("security", "_dash-update-component"), body, "application/json")
        return callback.status_code, Client().get(f"/fhir/Patient/{patient.pk}", headers=headers).status_code

    assert answers() == (200, 200)
    relationship_ended(cast, patient)
    assert answers() == (403, 403)
    account_switched_off(cast, patient)
    assert answers() == (302, 401)
