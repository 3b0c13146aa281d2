"""Attacks by who is not who they say: greetings, certificates, pairing codes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import product

from channels.db import database_sync_to_async
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from devices.errors import PairingRefused
from devices.models import Certificate, CertificateState
from devices.pairing import gateway_side
from devices.pairing.codes import new_code
from devices.protocol.certificates import Kind, Subject, issue, make_authority, serial_of
from devices.protocol.hello import make_hello
from devices.services import pairing
from devices.services.authority import revoke
from devices.services.pairing import MOST_WRONG
from tests.lab.attack import Attack
from tests.lab.door import TrustingDoor
from tests.lab.house import SERVER, House

GATEWAY = Subject(Kind.GATEWAY, 7)


def certificate_of_anybody(*, began: datetime | None = None, days: float = 90.0) -> bytes:
    """Return a certificate in the name of gateway 7, from an authority that somebody made at home."""
    key, began = Ed25519PrivateKey.generate(), began or datetime.now(tz=UTC)
    authority = make_authority(key, name="House", now=began)
    return issue(authority, key, subject=GATEWAY, public_key=key.public_key(), now=began, days=days)


def _believed(certificate: bytes) -> str:
    door = TrustingDoor()
    door.show(certificate)
    return f"let in as {door.inside[0]}" if door.inside else ""


def _inside(refused: str) -> str:
    return "" if refused else "let in as the gateway"


class OlderHello(Attack):
    name = "the older greeting is spoken, which proves one side only"
    stopped_by = "who was paired is never heard by the older greeting"
    event = "hello_outdated"

    def there(self) -> str:
        door = TrustingDoor()
        return "let in without a proof" if door.greet(1, "gateway-7") and not door.greet(2, "gateway-7") else ""

    async def here(self, house: House) -> str:
        gateway = house.gateway
        hello = make_hello(await gateway.open(), gateway_id=gateway.id, software="lab", key=gateway.key)
        return _inside(await gateway.refused_as(hello))


class StruckSuites(Attack):
    name = "the better ciphers are struck from an offer"
    stopped_by = "the offer is signed, and the answer is signed over it"
    event = "gateway_refused"

    def there(self) -> str:
        offered: list[str] = []  # there was "aes-gcm", before somebody in between struck it
        chosen = TrustingDoor.choose(offered)
        return f"the cipher is {chosen}" if chosen != "aes-gcm" else ""

    async def here(self, house: House) -> str:
        hello = await house.gateway.fresh_hello(suites=(1, 2, 3))
        return _inside(await house.gateway.refused_as({**hello, "suites": [3]}))


class ExpiredCertificate(Attack):
    name = "a certificate is shown that is over"
    stopped_by = "the end of a certificate is asked for at each greeting, and of open connections every 0.4 s"
    event = "certificate_expired"

    def there(self) -> str:
        return _believed(certificate_of_anybody(began=datetime(2020, 1, 1, tzinfo=UTC), days=1.0))

    async def here(self, house: House) -> str:
        # The state is named as well, because the writer reads the table again when that column is written.
        over = {"not_after": timezone.now() - timedelta(days=1), "state": CertificateState.VALID}
        await database_sync_to_async(Certificate.objects.filter(gateway=house.row).update)(**over)
        assert await house.gateway.closed() == 4403
        refused = await house.gateway.refused_as(await house.gateway.fresh_hello())
        await house.pair_anew()
        return _inside(refused)


class ForeignCertificate(Attack):
    name = "a certificate of another authority is shown"
    stopped_by = "only certificates on the house's own books count, beside the key and the root of the pairing"
    event = "certificate_revoked"

    def there(self) -> str:
        return _believed(certificate_of_anybody())

    async def here(self, house: House) -> str:
        """Even who has the gateway's keys comes no further with a certificate that somebody else wrote."""
        gateway = house.gateway
        assert gateway.paired is not None
        honest = gateway.paired
        gateway.paired = honest._replace(certificate=certificate_of_anybody())
        hello = await gateway.fresh_hello()
        gateway.paired = honest
        assert hello["certificate"] != serial_of(honest.certificate).to_bytes(20)
        return _inside(await gateway.refused_as(hello))


class StolenGateway(Attack):
    name = "a stolen gateway goes on under its revoked certificate"
    stopped_by = "a certificate that was taken back ends open connections within a second and opens none"
    event = "certificate_revoked"

    def there(self) -> str:
        door, stolen = TrustingDoor(), certificate_of_anybody()
        door.show(stolen)
        door.taken_back.add(stolen)
        door.show(stolen)
        return f"let in {len(door.inside)} times, once after it was taken back" if len(door.inside) > 1 else ""

    async def here(self, house: House) -> str:
        await house.neighbour.connect()
        stolen = await database_sync_to_async(Certificate.objects.get)(gateway=house.neighbour.id, profile="link")
        await database_sync_to_async(revoke)(stolen)
        assert await house.neighbour.closed() == 4403
        return _inside(await house.neighbour.refused_as(await house.neighbour.fresh_hello()))


class GuessedCode(Attack):
    name = "a pairing code is guessed"
    stopped_by = "80 random bits, five guesses, 15 minutes; each guess is on record"
    event = "pairing_code_guessed"

    def there(self) -> str:
        door = TrustingDoor()
        paired = any(door.pair("".join(digits)) for digits in product("0123456789", repeat=4))
        return f"paired after {door.guesses:,} guesses" if paired else ""

    async def here(self, house: House) -> str:
        new = await database_sync_to_async(pairing.begin_pairing)(owner=house.row, server=SERVER)
        return await database_sync_to_async(self._guess)(new)

    @staticmethod
    def _guess(new: pairing.NewPairing) -> str:
        for _ in range(MOST_WRONG):
            run = gateway_side.Pairing(new.address._replace(code=new_code()), software="lab")
            try:
                proven = run.prove(pairing.answer(run.offer(time.time())), time.time())
                pairing.answer(proven.message)
            except PairingRefused:
                continue
            return "paired with a guessed code"
        return ""


IDENTITIES: tuple[Attack, ...] = (
    OlderHello(),
    StruckSuites(),
    ExpiredCertificate(),
    ForeignCertificate(),
    StolenGateway(),
    GuessedCode(),
)
