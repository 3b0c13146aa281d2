"""What trust costs: a pairing, a greeting and the keys of an epoch. `python -m benchmarks.link.handshake`.

Cryptography alone, in one thread, without database and network: what a commit and a round trip add depends on those.
Each figure is the median of many runs; bytes are those that cross the line, TLS and transport apart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance.measuring import Report, main
from devices.pairing import gateway_side, server_side
from devices.pairing.address import PairingAddress
from devices.pairing.codes import canonical, new_code
from devices.protocol import certificates
from devices.protocol.certificates import Kind, Profile, Subject
from devices.protocol.epochs import frame_key
from devices.protocol.hello import MutualWelcome
from devices.protocol.mutual import SERVER, GatewayGreeting, LinkIdentity, Terms, check_mutual

T = TypeVar("T")
ROUNDS, QUICK_ROUNDS = 300, 50
GATEWAY = Subject(Kind.GATEWAY, 7)
DEVICES = 1000
PAIRING_MS, GREETING_MS, DATAGRAM_BYTES = 50.0, 10.0, 1024


class Clock:
    """Adds up how long each side of a run took, ms."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def of(self, side: str, work: Callable[[], T]) -> T:
        """Do the work and note its time."""
        start = time.perf_counter()
        done = work()
        self.spent[side] = self.spent.get(side, 0.0) + (time.perf_counter() - start) * 1000
        return done


class Scene(NamedTuple):
    """A house and a gateway."""

    authority_key: Ed25519PrivateKey
    link: LinkIdentity
    address: PairingAddress


def scene() -> Scene:
    """Make the house and a code."""
    now = datetime.now(tz=UTC)
    authority_key, link_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    authority = certificates.make_authority(authority_key, name="Medtwin house authority", now=now)
    own = certificates.issue(
        authority, authority_key, subject=SERVER, public_key=link_key.public_key(), now=now, days=90
    )
    address = PairingAddress("https://h", GATEWAY, bytes(8), new_code(), certificates.fingerprint(authority))
    return Scene(authority_key, LinkIdentity(link_key, own, authority), address)


def pair(house: Scene) -> tuple[Clock, list[bytes], gateway_side.Paired]:
    """Pair once; return times, messages and what came of it."""
    clock, now = Clock(), time.time()
    pairing = clock.of("gateway", lambda: gateway_side.Pairing(house.address, software="bench"))
    offer = clock.of("gateway", lambda: pairing.offer(now))
    answer, answered = clock.of("server", lambda: server_side.answer_offer(offer, house.link, now=now))
    proven = clock.of("gateway", lambda: pairing.prove(answer, now))

    def close() -> tuple[bytes, bytes]:
        proof = server_side.open_proof(proven.message, answered)
        link, tls = (
            certificates.issue(
                house.link.authority,
                house.authority_key,
                subject=GATEWAY,
                public_key=Ed25519PublicKey.from_public_bytes(key),
                now=datetime.now(tz=UTC),
                days=365,
                profile=profile,
            )
            for key, profile in ((proof.public_key, Profile.LINK), (proof.tls_key, Profile.TLS_CLIENT))
        )
        code = canonical(house.address.code) or ""
        return server_side.finish(proven.message, proof, answered, code=code, certificate=link, tls_certificate=tls)

    outcome, _root = clock.of("server", close)
    paired = clock.of("gateway", lambda: gateway_side.finish(proven, outcome, now))
    return clock, [offer, answer, proven.message, outcome], paired


def greet(house: Scene, paired: gateway_side.Paired) -> tuple[Clock, list[bytes], bytes]:
    """Greet once; return times, messages and the epoch's secret."""
    clock, now, nonce = Clock(), time.time(), bytes(32)
    key = Ed25519PrivateKey.from_private_bytes(paired.identity)
    serial = certificates.serial_of(paired.certificate)
    identity = LinkIdentity(key, paired.certificate, paired.authority)
    public, counting = key.public_key().public_bytes_raw(), {f"{serial:040x}": now + 3600}
    gateway = clock.of("gateway", lambda: GatewayGreeting(7, identity, serial, paired.root))
    hello = clock.of("gateway", lambda: gateway.hello(nonce, now=now, software="medtwin-gateway/1"))

    def answer() -> bytes:
        proof = check_mutual(hello, nonce=nonce, public_key=public, root=paired.root, certificates=counting, now=now)
        if proof.agreement is None:
            raise RuntimeError("a good hello brings an agreement")
        proof.agreement.begin(int(now), house.link, Terms(32, 86_400, 1 << 24), now=now)
        return msgspec.json.encode(proof.agreement.message)

    text = clock.of("server", answer)
    welcome = msgspec.json.decode(text, type=MutualWelcome)
    epoch = clock.of("gateway", lambda: gateway.check(welcome, now=now))
    return clock, [msgspec.json.encode(hello), text], epoch.secret


def measure(report: Report) -> None:
    """Fill the report."""
    rounds = QUICK_ROUNDS if report.quick else ROUNDS
    house = scene()
    pairings = [pair(house) for _ in range(rounds)]
    for side in ("gateway", "server"):
        median = statistics.median(clock.spent[side] for clock, _, _ in pairings)
        report.bar(f"pairing_{side}_ms", round(median, 3), "<", PAIRING_MS)
    for number, message in enumerate(pairings[0][1], 1):
        report.figure(f"pairing_m{number}_bytes", len(message))
    report.figure("pairing_bytes", sum(len(message) for message in pairings[0][1]))
    greetings = [greet(house, pairings[0][2]) for _ in range(rounds)]
    for side in ("gateway", "server"):
        median = statistics.median(clock.spent[side] for clock, _, _ in greetings)
        report.bar(f"greeting_{side}_ms", round(median, 3), "<", GREETING_MS)
    for name, message in zip(("hello", "welcome"), greetings[0][1], strict=True):
        report.bar(f"greeting_{name}_bytes", len(message), "<=", DATAGRAM_BYTES)
    secret = greetings[0][2]
    clock = Clock()
    clock.of("keys", lambda: [frame_key(secret, device, 1) for device in range(1, DEVICES + 1)])
    report.figure("frame_key_us", round(clock.spent["keys"] * 1000 / DEVICES, 2))
    report.note(
        "Cryptography alone, one thread: no database, no network, no TLS. A datagram of CoAP holds 1,024 bytes."
    )


if __name__ == "__main__":
    main("What trust on the device link costs", lambda report, _: measure(report))
