"""Two web processes on one database and broker, the people in them, and each way of losing a right."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.lines import coap_server, mqtt_server
from benchmarks.ingest.processes import ROOT, wait_for_port
from benchmarks.revocation.gateways import shut_out

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from websockets.sync.client import ClientConnection

    from compliance.models import CareRelationship, Patient, User, Ward

LIMIT_S = 1.0
PATIENCE_S = 20.0
AHEAD = timedelta(seconds=1.5)  # how long before its end a right is seen to hold
SETTLE_S = 0.15


@contextmanager
def two_servers(home: Path, engine: str) -> Iterator[Ways]:
    """Run the broker where the engine brings none, two web processes, and yield what can be measured in them."""
    from django.conf import settings
    from django.db import connection

    from twin.embedded import start_valkey

    environment = os.environ | {"ALLOWED_HOSTS": "127.0.0.1,localhost"}
    with ExitStack() as open_things:
        if engine == "postgresql":
            url = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + "/" + str(connection.settings_dict["NAME"])
            environment |= {"DATABASE_URL": url, "TELEMETRY_URL": url}
        else:
            broker = start_valkey(settings.VALKEY_SOCKET, home / "valkey")
            open_things.callback(broker.wait, 10)
            open_things.callback(broker.terminate)  # the last one is called first
        ports = [open_things.enter_context(server(home, environment)) for _ in range(2)]
        lines = {"coap": open_things.enter_context(coap_server(home, environment))}
        if shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin"):
            lines["mqtt"] = open_things.enter_context(mqtt_server(home, environment))
        yield Ways(told=ports[0], open_in=ports[1], lines=lines, home=home)


@contextmanager
def server(home: Path, environment: dict[str, str]) -> Iterator[int]:
    """Run a web process until the block ends and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "twin.daphne", "-v", "0", "-e", f"tcp:port={port}:interface=127.0.0.1"]
    with (home / f"server-{port}.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "twin.asgi:application"], cwd=ROOT, env=environment, stderr=log, stdout=log
        )
    try:
        wait_for_port(port, process, home / f"server-{port}.log")
        yield port
    finally:
        process.terminate()
        process.wait(20)


class Ways:
    """The ways in which a right ends. told: the port on which it is taken; open_in: where the socket is.

    lines: addresses of the servers of other lines, by name. home: a folder for what gateways keep.
    """

    def __init__(self, told: int, open_in: int, lines: dict[str, str], home: Path) -> None:
        from compliance.models import Patient, Ward

        self.told, self.open_in, self.lines, self.home = told, open_in, lines, home
        self.ward: Ward = Ward.objects.create(name="Bench")
        self.patient: Patient = Patient.objects.create(
            medical_record_number="B-1", given_name="A", family_name="B", birth_date="1960-01-01", ward=self.ward
        )
        self.boss = _person("bench-boss", "administrator", self.ward)
        self.nurse = _person("bench-nurse", "nurse", None)
        self.boss_key, self.nurse_key = _sign_in(self.boss), _sign_in(self.nurse)

    def all(self) -> dict[str, Callable[[int], list[float]]]:
        """Return every way by name; each takes a number of rounds and returns seconds."""
        return {
            "page_of_a_link_that_an_administrator_ends": self.link_ended,
            "page_of_a_link_that_runs_out": self.link_runs_out,
            "page_of_an_emergency_that_runs_out": self.emergency_runs_out,
            "page_of_a_sign_in_ended_elsewhere": self.sign_in_ended,
            "socket_of_a_gateway_shut_out": self.gateway_shut_out,
            **{f"{name}_of_a_gateway_shut_out": partial(self.shut_out_over, url) for name, url in self.lines.items()},
        }

    def link_ended(self, rounds: int) -> list[float]:
        """An administrator ends a care relationship with a click."""
        self._ask("GET", "/people/", 200)  # a process loads its pages at the first one
        found = []
        for _ in range(rounds):
            link = self._link()
            with self._page(self.nurse_key) as page:
                began = time.monotonic()
                self._ask("POST", f"/people/links/{link.pk}/end/", 302)
                found.append(_closed(page) - began)
        return found

    def link_runs_out(self, rounds: int) -> list[float]:
        """A relationship ends at its time, and nobody says so."""
        from django.utils import timezone

        found = []
        for _ in range(rounds):
            ends = timezone.now() + AHEAD
            self._link(ends_at=ends)
            found.append(self._after(ends))
        return found

    def emergency_runs_out(self, rounds: int) -> list[float]:
        """An emergency access ends at its time."""
        from django.utils import timezone

        from compliance.models import CareRelationship, EmergencyAccess

        found = []
        for _ in range(rounds):
            CareRelationship.objects.filter(user=self.nurse).delete()
            now = timezone.now()
            EmergencyAccess.objects.create(
                user=self.nurse, patient=self.patient, reason="emergency", reason_words="e", explanation="e",
                opened_at=now, ends_at=now + AHEAD,
            )  # fmt: skip
            found.append(self._after(now + AHEAD))
        return found

    def sign_in_ended(self, rounds: int) -> list[float]:
        """A person ends a sign-in from another browser: here by the service, in a third process."""
        from compliance.models import BrowserSession
        from compliance.services.sessions import end_sessions

        self._link()
        found = []
        for _ in range(rounds):
            key = _sign_in(self.nurse)
            newest = BrowserSession.objects.filter(user=self.nurse, ended_at=None).latest("began_at")
            with self._page(key) as page:
                began = time.monotonic()
                end_sessions([newest], user=self.nurse, why="benchmark")
                found.append(_closed(page) - began)
        return found

    def gateway_shut_out(self, rounds: int) -> list[float]:
        """Somebody at the database's own prompt shuts a gateway out."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from devices.models import Gateway
        from devices.services.registry import register_gateway

        found = []
        for number in range(rounds):
            key = Ed25519PrivateKey.generate()
            raw = key.public_key().public_bytes_raw()
            gateway = register_gateway(name=f"gateway {number}", ward=self.ward, public_key=raw)
            with connect(f"ws://127.0.0.1:{self.open_in}/ws/gateway/") as link:
                greet(link, gateway.pk, key)
                time.sleep(SETTLE_S + 0.037 * (number % 10))  # anywhere between two looks at the marks
                Gateway.objects.filter(pk=gateway.pk).update(state="quarantined")
                began = time.monotonic()
                found.append(_closed(link) - began)
        return found

    def shut_out_over(self, url: str, rounds: int) -> list[float]:
        """The same on another line."""
        return [shut_out(url, self.ward, self.home, number) for number in range(rounds)]

    def _link(self, **more: object) -> CareRelationship:
        from django.utils import timezone

        from compliance.models import CareRelationship

        CareRelationship.objects.filter(user=self.nurse).delete()
        start = timezone.now() - timedelta(days=1)
        return CareRelationship.objects.create(user=self.nurse, ward=self.ward, starts_at=start, **more)

    def _after(self, ends: Any) -> float:
        """Return how many seconds after `ends` a page of the patient closes."""
        from django.utils import timezone

        with self._page(self.nurse_key) as page:
            left = float((ends - timezone.now()).total_seconds())
            if left <= 0:
                raise RuntimeError("the page opened too late to see its right end")
            struck = time.monotonic() + left
            return _closed(page) - struck

    @contextmanager
    def _page(self, session_key: str) -> Iterator[ClientConnection]:
        origin = f"http://127.0.0.1:{self.open_in}"
        place = f"ws://127.0.0.1:{self.open_in}/ws/patient/{self.patient.pk}/"
        with connect(place, origin=origin, additional_headers={"Cookie": f"sessionid={session_key}"}) as page:
            while json.loads(page.recv(PATIENCE_S))["type"] != "hello":
                pass
            time.sleep(SETTLE_S)  # until its process listens to the broker
            yield page

    def _ask(self, method: str, path: str, wanted: int) -> None:
        token = secrets.token_hex(16)
        connection = http.client.HTTPConnection("127.0.0.1", self.told, timeout=PATIENCE_S)
        cookies = f"sessionid={self.boss_key}; csrftoken={token}"
        connection.request(method, path, "", {"Cookie": cookies, "X-CSRFToken": token})
        answer = connection.getresponse()
        if answer.status != wanted or "step-up" in (answer.getheader("Location") or ""):
            raise RuntimeError(f"{path} answered {answer.status} {answer.getheader('Location')}")
        connection.close()


def connect(place: str, **options: Any) -> ClientConnection:
    """Open a socket."""
    from websockets.sync.client import connect as open_socket

    opened: ClientConnection = open_socket(place, open_timeout=PATIENCE_S, close_timeout=1, **options)
    return opened


def _closed(opened: ClientConnection) -> float:
    """Return the moment (monotonic) at which the server has closed the connection, or told that it will."""
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            opened.recv(PATIENCE_S)
    except ConnectionClosed:
        return time.monotonic()


def greet(link: ClientConnection, gateway_id: int, key: Ed25519PrivateKey) -> None:
    """Greet as a gateway that was not paired. Raises RuntimeError unless it is welcome."""
    from devices.protocol.hello import make_hello

    challenge = json.loads(link.recv(PATIENCE_S))
    link.send(json.dumps(make_hello(challenge, gateway_id=gateway_id, software="bench", key=key)))
    answer = json.loads(link.recv(60))
    if answer["type"] != "welcome":
        raise RuntimeError(f"the gateway heard {answer}")


def _person(name: str, role: str, ward: Ward | None) -> User:
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import generate_totp_secret
    from allauth.mfa.utils import encrypt
    from django.utils import timezone

    from compliance.models import CareRelationship, User

    person: User = User.objects.create_user(name, role=role)
    Authenticator.objects.create(user=person, type="totp", data={"secret": encrypt(generate_totp_secret())})
    if ward is not None:
        CareRelationship.objects.create(user=person, ward=ward, starts_at=timezone.now() - timedelta(days=1))
    return person


def _sign_in(person: User) -> str:
    """Return the key of a session whose second factor was proved just now, and stays fresh for the whole run."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from compliance.services.sessions import KEY, begin_session

    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session[KEY] = str(begin_session(person, "benchmark").pk)
    session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": time.time()}]
    session["account_authentication_methods_user"] = str(person.pk)
    session.save()
    return str(session.session_key)
