"""Pages that stop reading: signed-in WebSocket connections whose bytes nobody takes from the kernel."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.ingest.load import TEXT, wrap

if TYPE_CHECKING:
    from compliance.models import Ward


@contextmanager
def stuck_viewers(port: int, count: int, device_id: int) -> Iterator[list[socket.socket]]:
    """Open `count` patient pages of the device's patient, read their upgrade, and then nothing more."""
    from devices.models import Device

    patient = Device.objects.select_related("patient__ward").get(pk=device_id).patient
    assert patient is not None
    session_key = _sign_in_nurse(patient.ward)
    sockets = [_open(port, f"/ws/patient/{patient.pk}/", session_key) for _ in range(count)]
    try:
        for opened in sockets:
            opened.sendall(wrap(b'{"type": "resume", "cursors": {"%d": 0}}' % device_id, TEXT))
        yield sockets
    finally:
        for opened in sockets:
            opened.close()


def unread_bytes(viewer: socket.socket) -> int:
    """Read what the server has sent to a viewer and return how much that is."""
    viewer.settimeout(0.5)
    taken = 0
    with contextlib.suppress(TimeoutError):
        while data := viewer.recv(1 << 16):
            taken += len(data)
    return taken


def _sign_in_nurse(ward: Ward) -> str:
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import generate_totp_secret
    from allauth.mfa.utils import encrypt
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from compliance.models import CareRelationship, User
    from compliance.services.sessions import KEY, begin_session

    nurse = User.objects.create_user("bench-nurse", role="nurse")
    Authenticator.objects.create(user=nurse, type="totp", data={"secret": encrypt(generate_totp_secret())})
    CareRelationship.objects.create(user=nurse, ward=ward, starts_at=datetime.now(tz=UTC) - timedelta(days=1))
    session = SessionStore()
    session[SESSION_KEY] = str(nurse.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = nurse.get_session_auth_hash()
    session[KEY] = str(begin_session(nurse, "benchmark").pk)
    session.save()
    return str(session.session_key)


def _open(port: int, path: str, session_key: str) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # as little as possible hides in the kernel
    opened.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    opened.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Cookie: sessionid={session_key}\r\n\r\n".encode()
    )
    answer = opened.recv(200)
    if b" 101 " not in answer[:20]:
        raise ConnectionError(answer[:80].decode())
    return opened
