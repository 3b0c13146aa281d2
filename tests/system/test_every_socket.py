"""Every socket, found from the routing itself: strangers and outsiders are closed out before they hear anything."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator

import pytest
from channels.testing import WebsocketCommunicator
from django.test import Client

from devices.routing import gateway_routes
from twin.routing import browser_routes

pytestmark = pytest.mark.django_db(transaction=True)
NAMED = [route for route in browser_routes if str(route.pattern)]  # the last, without a pattern, closes the unknown
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def _path(route, patient_id: object) -> str:  # type: ignore[no-untyped-def]
    return "/" + re.sub(r"<uuid:patient_id>", str(patient_id), str(route.pattern))


def _cookie(user) -> bytes:  # type: ignore[no-untyped-def]
    client = Client()
    client.force_login(user, backend=BACKEND)
    return f"sessionid={client.cookies['sessionid'].value}".encode()


async def _opened(path: str, *headers: tuple[bytes, bytes]) -> tuple[list[str], int | None]:
    """Open, and return the types of the messages heard before the close, and its code (None: never accepted)."""
    from twin.asgi import application

    socket = WebsocketCommunicator(application, path, headers=[(b"host", b"localhost"), *headers])
    if not (await socket.connect())[0]:
        return [], None
    heard = []
    while (message := await socket.receive_output())["type"] == "websocket.send":
        heard.append(json.loads(message["text"])["type"])
    await socket.wait()
    return heard, int(message["code"])


def _closed_with(path: str, *headers: tuple[bytes, bytes]) -> int | None:
    """Return the code of the close; fail when anything but the reason was heard before it."""
    heard, code = asyncio.run(_opened(path, *headers))
    assert set(heard) <= {"revoked"}
    return code


@pytest.fixture(autouse=True)
def _stop_what_sockets_started() -> Iterator[None]:
    from devices.services.ingest import stop_ingest

    yield
    stop_ingest()


@pytest.mark.parametrize("route", NAMED, ids=lambda route: str(route.pattern))
def test_a_stranger_is_closed_out(route, valkey: str, patient) -> None:
    origin = (b"origin", b"http://localhost")
    assert _closed_with(_path(route, patient.pk), origin) == 4401


@pytest.mark.parametrize("route", NAMED, ids=lambda route: str(route.pattern))
@pytest.mark.parametrize("who", ["outsider", "nurse"])
def test_nobody_hears_of_a_patient_or_ward_that_is_not_theirs(
    who: str, route, valkey: str, cast, foreign_patient
) -> None:
    if who == "nurse" and "patient_id" not in str(route.pattern):
        return  # her own ward board is hers
    headers = [(b"origin", b"http://localhost"), (b"cookie", _cookie(cast[who]))]
    assert _closed_with(_path(route, foreign_patient.pk), *headers) == 4403
    assert _closed_with(_path(route, uuid.uuid4()), *headers) == 4403


@pytest.mark.parametrize("route", NAMED, ids=lambda route: str(route.pattern))
def test_a_page_of_another_site_cannot_open_a_socket(route, valkey: str, cast, patient) -> None:
    headers = [(b"origin", b"https://evil.example"), (b"cookie", _cookie(cast["nurse"]))]
    assert _closed_with(_path(route, patient.pk), *headers) is None


def test_a_path_that_leads_nowhere_is_never_accepted(valkey: str, cast) -> None:
    headers = [(b"origin", b"http://localhost"), (b"cookie", _cookie(cast["nurse"]))]
    assert _closed_with("/ws/nowhere/", *headers) is None
    assert len(NAMED) == 2


@pytest.mark.parametrize("route", gateway_routes, ids=lambda route: str(route.pattern))
def test_a_gateway_that_cannot_sign_the_challenge_is_closed_out(route, valkey: str, cast) -> None:
    from twin.asgi import application

    async def knock() -> int:
        socket = WebsocketCommunicator(application, "/" + str(route.pattern), headers=[(b"host", b"localhost")])
        assert (await socket.connect())[0]
        assert json.loads(await socket.receive_from())["type"] == "challenge"
        await socket.send_to(json.dumps({"type": "hello", "gateway": 1, "software": "x", "signature": "00" * 64}))
        assert json.loads(await socket.receive_from())["type"] == "refused"
        closing = await socket.receive_output()
        await socket.wait()
        return int(closing["code"])

    assert asyncio.run(knock()) == 4401
