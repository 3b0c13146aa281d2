"""The sockets of browsers through the whole ASGI stack: who gets in, what they are told, and when they are put out."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from compliance.models import CareRelationship, Event
from compliance.services.sessions import KEY, begin_session, end_other_sessions
from devices.kinds.registry import by_key
from devices.services.telemetry import store
from devices.telemetry import READING, ReadingBatch
from tests.patience import PATIENCE_S
from twin import consumers
from twin.services.live import hub, publish_batch, publish_notice

pytestmark = pytest.mark.django_db(transaction=True)
HEART_RATE = by_key("heart_rate").code
PLACES = ["/ws/ward/", "/ws/patient/{patient}/"]


def batch(device, *seqs: int) -> ReadingBatch:
    now = time.time()
    rows = [(device.pk, HEART_RATE, seq, now + seq, 60.0 + seq) for seq in seqs]
    return ReadingBatch(np.array(rows, READING), (), now)


@database_sync_to_async
def signed_in(user) -> SessionStore:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[KEY] = str(begin_session(user, "test").pk)
    session.save()
    return session


async def open_socket(path: str, user=None, session: SessionStore | None = None) -> WebsocketCommunicator:
    from twin.asgi import application

    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    if user is not None:
        session = await signed_in(user)
    if session is not None:
        headers.append((b"cookie", f"sessionid={session.session_key}".encode()))
    socket = WebsocketCommunicator(application, path, headers=headers)
    assert (await socket.connect())[0]
    return socket


@pytest.fixture
def asked_often(monkeypatch):
    """What nobody announces is found when a page asks the policy again: every few seconds in life, sooner here."""
    monkeypatch.setattr(consumers, "RIGHTS_IDLE_S", 0.3)


async def hear(socket: WebsocketCommunicator, kind: str, timeout: float = PATIENCE_S) -> dict:
    while True:
        message = json.loads(await socket.receive_from(timeout))
        if message["type"] == kind:
            return message


async def closed(socket: WebsocketCommunicator, timeout: float = PATIENCE_S) -> int:
    while True:
        event = await socket.receive_output(timeout)
        if event["type"] == "websocket.close":
            return event["code"]


@pytest.mark.parametrize("place", PLACES)
async def test_the_anonymous_are_told_to_sign_in(place, patient):
    socket = await open_socket(place.format(patient=patient.pk))
    assert await closed(socket) == 4401


@pytest.mark.parametrize("place", PLACES)
async def test_the_outsider_is_refused(place, cast, patient):
    socket = await open_socket(place.format(patient=patient.pk), cast["outsider"])
    assert (await hear(socket, "revoked"))["reason"]
    assert await closed(socket) == 4403


async def test_a_patient_of_another_ward_is_refused(cast, foreign_patient):
    socket = await open_socket(f"/ws/patient/{foreign_patient.pk}/", cast["physician"])
    assert await closed(socket) == 4403


@pytest.mark.parametrize("place", PLACES)
async def test_a_message_that_is_too_long_ends_the_socket_and_is_kept_as_an_event(valkey, place, cast, patient):
    socket = await open_socket(place.format(patient=patient.pk), cast["nurse"])
    await hear(socket, "hello")
    await socket.send_to(text_data=" " * (64 * 1024 + 1))
    assert await closed(socket) == 4413
    noted = await Event.objects.select_related("user").aget(code="message_too_long")
    assert (noted.category, noted.user) == ("security", cast["nurse"])


async def test_a_foreign_origin_is_refused(cast):
    from twin.asgi import application

    headers = [(b"host", b"localhost"), (b"origin", b"http://evil.example")]
    socket = WebsocketCommunicator(application, "/ws/ward/", headers=headers)
    assert (await socket.connect())[0] is False


@pytest.mark.parametrize("role", ["nurse", "physician", "administrator", "trainer", "caregiver"])
@pytest.mark.parametrize("place", PLACES)
async def test_every_role_sees_its_patients_live(valkey, place, role, cast, patient, device, foreign_device):
    socket = await open_socket(place.format(patient=patient.pk), cast[role])
    assert abs((await hear(socket, "hello"))["server_time"] - time.time()) < 5
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    for committed in (batch(foreign_device, 1), batch(device, 1)):
        await asyncio.to_thread(store().write, committed)
        publish_batch(committed)
    delta = await hear(socket, "delta")
    assert delta["patient"] == str(patient.pk)
    assert [(row["device"], row["metric"], row["value"]) for row in delta["readings"]] == [
        (device.pk, "heart_rate", 61.0)
    ]
    await socket.disconnect()


async def test_a_page_that_comes_back_misses_nothing(valkey, cast, patient, device):
    await asyncio.to_thread(store().write, batch(device, 1, 2, 3))
    socket = await open_socket(f"/ws/patient/{patient.pk}/", cast["nurse"])
    await socket.send_to(text_data=json.dumps({"type": "resume", "cursors": {str(device.pk): 1}}))
    delta = await hear(socket, "delta")
    assert delta["backfill"]
    assert [row["seq"] for row in delta["readings"]] == [2, 3]
    await socket.disconnect()


async def test_a_notice_reaches_the_page(valkey, cast, patient):
    socket = await open_socket(f"/ws/patient/{patient.pk}/", cast["nurse"])
    await hear(socket, "hello")
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    await asyncio.to_thread(publish_notice, patient.pk, "images")
    assert (await hear(socket, "notice"))["panel"] == "images"
    await socket.disconnect()


async def test_a_care_relationship_that_ends_ends_the_view(valkey, cast, patient, device):
    socket = await open_socket(f"/ws/patient/{patient.pk}/", cast["nurse"])
    await hear(socket, "hello")
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    await database_sync_to_async(CareRelationship.objects.filter(user=cast["nurse"]).delete)()
    for seq in range(1, 60):
        publish_batch(batch(device, seq))
        await asyncio.sleep(0.05)
    assert await closed(socket) == 4403


async def test_signing_out_ends_the_view(asked_often, valkey, cast, patient, device):
    socket = await open_socket("/ws/ward/", cast["nurse"])
    await hear(socket, "hello")
    from django.contrib.sessions.models import Session

    await database_sync_to_async(Session.objects.all().delete)()
    assert await closed(socket) == 4403


async def test_an_alert_that_is_told_and_shown_is_noted(valkey, cast, patient, device):
    from django.utils import timezone

    from twin.models import Alert, AlertStep, StepKind

    socket = await open_socket(f"/ws/patient/{patient.pk}/", cast["nurse"])
    await hear(socket, "hello")
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    alert = await database_sync_to_async(make_alert)(patient, timezone.now())
    from twin.services.alerts import message_of
    from twin.services.live import publish_alert

    await asyncio.to_thread(publish_alert, await database_sync_to_async(message_of)(alert))
    assert (await hear(socket, "alert"))["id"] == alert.pk
    await socket.send_to(text_data=json.dumps({"type": "shown", "alert": alert.pk}))
    await socket.send_to(text_data=json.dumps({"type": "shown", "alert": 999_999}))
    kinds: set[str] = set()
    async with asyncio.timeout(PATIENCE_S):
        while not {StepKind.SENT, StepKind.SHOWN} <= kinds:
            await asyncio.sleep(0.05)
            kinds = set(await database_sync_to_async(lambda: list(AlertStep.objects.values_list("kind", flat=True)))())
    assert isinstance(alert, Alert)
    await socket.disconnect()


def make_alert(patient, now):
    from twin.models import Alert

    fields = {field.name for field in Alert._meta.get_fields()}
    values = {"patient": patient, "rule": "high", "metric": "heart_rate", "priority": "high", "message": "High"}
    values |= {name: now for name in ("raised_at", "opened_at", "event_time", "last_seen_at") if name in fields}
    return Alert.objects.create(**values)


async def test_an_expired_session_ends_the_view(asked_often, valkey, cast, patient, device):
    from django.contrib.sessions.models import Session

    socket = await open_socket("/ws/ward/", cast["nurse"])
    await hear(socket, "hello")
    await database_sync_to_async(Session.objects.update)(expire_date="2020-01-01T00:00:00Z")
    assert await closed(socket) == 4403


async def test_a_new_password_ends_the_view(asked_often, valkey, cast, patient, device):
    socket = await open_socket("/ws/ward/", cast["nurse"])
    await hear(socket, "hello")
    cast["nurse"].set_password("another horse battery")
    await database_sync_to_async(cast["nurse"].save)()
    assert await closed(socket) == 4403


async def test_an_address_of_nothing_is_closed_without_an_error(db):
    from twin.asgi import application

    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    for path in ("/ws/patient/x/", "/ws/"):
        connected, _ = await WebsocketCommunicator(application, path, headers=headers).connect()
        assert not connected


HUGE_CURSOR = '{"type":"resume","cursors":{"1":9223372036854775808}}'


@pytest.mark.parametrize("text", ["{", '{"x":' + "[" * 50_000, HUGE_CURSOR], ids=["cut", "nested", "huge"])
async def test_a_page_that_sends_no_json_is_put_out(valkey, cast, text):
    socket = await open_socket("/ws/ward/", cast["nurse"])
    await socket.send_to(text_data=text)
    assert await closed(socket) == 4400


@pytest.mark.parametrize("place", PLACES)
async def test_signing_out_from_afar_closes_open_pages(valkey, place, cast, patient, device):
    socket = await open_socket(place.format(patient=patient.pk), cast["nurse"])
    await hear(socket, "hello")
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    await database_sync_to_async(end_other_sessions)(cast["nurse"], keep=None, why="test")
    assert (await hear(socket, "revoked"))["reason"]
    assert await closed(socket) == 4403


async def test_pages_of_other_people_stay_open(valkey, cast, patient, device):
    socket = await open_socket("/ws/ward/", cast["physician"])
    await hear(socket, "hello")
    await asyncio.wait_for(hub().subscribed.wait(), PATIENCE_S)
    await database_sync_to_async(end_other_sessions)(cast["nurse"], keep=None, why="test")
    assert await socket.receive_nothing(0.5)
    await socket.disconnect()


@pytest.mark.parametrize("place", PLACES)
async def test_staff_without_a_second_factor_hear_nothing(place, make_user, ward, patient):
    newcomer = await database_sync_to_async(make_user)("nurse", ward=ward, second_factor=False)
    socket = await open_socket(place.format(patient=patient.pk), newcomer)
    assert await closed(socket) == 4403
