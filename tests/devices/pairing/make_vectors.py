"""Test vectors of pairing, greeting and keys: `python -m tests.devices.pairing.make_vectors`.

Every random byte comes from SHA-256 of its place, so that the same file comes out again. One value cannot: how the
server's library encapsulates to an ML-KEM key is random, so the ciphertext of a first run stands in the file and is
taken from there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from devices.pairing import gateway_side, server_side
from devices.pairing.address import PairingAddress
from devices.pairing.codes import canonical
from devices.protocol import certificates
from devices.protocol.certificates import Kind, Profile, Subject
from devices.protocol.epochs import frame_key, oscore_secret
from devices.protocol.mutual import SERVER, GatewayGreeting, LinkIdentity, Terms, check_mutual

TIME = 1_780_000_000.0
CODE = "7K3M-9QWX-2PTR-5VBN"
GATEWAY = Subject(Kind.GATEWAY, 7)
EPOCH = 1_780_000_060
TERMS = Terms(32, 86_400, 1 << 24)


def stream(name: str) -> Callable[[int], bytes]:
    """Return a source of bytes that gives the same ones again: SHA-256 of name, counter and block."""
    counter = iter(range(1 << 20))

    def take(size: int) -> bytes:
        place = f"medtwin/vectors/1/{name}/{next(counter)}".encode()
        blocks = (hashlib.sha256(place + bytes([block])).digest() for block in range(-(-size // 32)))
        return b"".join(blocks)[:size]

    return take


def seed(name: str) -> bytes:
    """Return the 32 bytes of a key's name."""
    return stream(name)(32)


def make(ciphertext: bytes | None) -> dict[str, Any]:
    """Return the vectors as JSON-simple values, bytes in hexadecimal. ciphertext: of ML-KEM, from the first run."""
    now = datetime.fromtimestamp(TIME, tz=UTC)
    authority_key, link_key = (Ed25519PrivateKey.from_private_bytes(seed(name)) for name in ("authority", "link"))
    kept = _kept_certificates()
    authority = kept("authority") or certificates.make_authority(authority_key, name="Vectors", now=now)

    def issued(name: str, subject: Subject, public: bytes, profile: Profile = Profile.LINK) -> bytes:
        key = Ed25519PublicKey.from_public_bytes(public)
        return kept(name) or certificates.issue(
            authority, authority_key, subject=subject, public_key=key, now=now, days=90, profile=profile
        )

    link = LinkIdentity(link_key, issued("link", SERVER, link_key.public_key().public_bytes_raw()), authority)
    address = PairingAddress("https://house", GATEWAY, seed("reference")[:8], CODE, certificates.fingerprint(authority))
    of_gateway = stream("gateway")
    pairing = gateway_side.Pairing(address, software="vectors", random=of_gateway)
    offer = pairing.offer(TIME)
    kem_seed = _kem_seed()
    given = ciphertext or MLKEM768PublicKey.from_public_bytes(_kem_public(kem_seed)).encapsulate()[1]
    secret = MLKEM768PrivateKey.from_seed_bytes(kem_seed).decapsulate(given)
    answer, answered = server_side.answer_offer(
        offer, link, now=TIME + 0.25, random=stream("server"), kem=lambda _public: (secret, given)
    )
    proven = pairing.prove(answer, TIME + 0.5)
    proof = server_side.open_proof(proven.message, answered)
    certificate = issued("gateway", GATEWAY, proof.public_key)
    tls = issued("gateway_tls", GATEWAY, proof.tls_key, Profile.TLS_CLIENT)
    outcome, root = server_side.finish(
        proven.message, proof, answered, code=canonical(CODE) or "", certificate=certificate, tls_certificate=tls
    )
    paired = gateway_side.finish(proven, outcome, TIME + 0.75)
    return {
        "time": TIME,
        "uri": address.uri(),
        "seeds": {
            "authority": seed("authority").hex(),
            "link": seed("link").hex(),
            "gateway_x25519": stream("gateway")(32).hex(),
            "gateway_mlkem": kem_seed.hex(),
            "server_x25519": stream("server")(32).hex(),
            "identity": paired.identity.hex(),
            "tls_key": paired.tls_key.hex(),
        },
        "certificates": {
            "authority": authority.hex(),
            "link": link.certificate.hex(),
            "gateway": certificate.hex(),
            "gateway_tls": tls.hex(),
        },
        "mlkem_ciphertext": given.hex(),
        "messages": [message.hex() for message in (offer, answer, proven.message, outcome)],
        "root": root.hex(),
        "oscore_secret": oscore_secret(root).hex(),
        "greeting": _greeting(paired, link),
    }


def _greeting(paired: gateway_side.Paired, link: LinkIdentity) -> dict[str, Any]:
    key = Ed25519PrivateKey.from_private_bytes(paired.identity)
    serial = certificates.serial_of(paired.certificate)
    identity = LinkIdentity(key, paired.certificate, paired.authority)
    gateway = GatewayGreeting(GATEWAY.number, identity, serial, paired.root)
    nonce = seed("challenge")
    hello = gateway.hello(nonce, now=TIME + 60, software="vectors", random=stream("hello"))
    transcript = check_mutual(
        hello,
        nonce=nonce,
        public_key=key.public_key().public_bytes_raw(),
        root=paired.root,
        certificates={f"{serial:040x}": TIME + 3600},
        now=TIME + 60,
    )
    agreement = transcript.agreement
    if agreement is None:
        raise RuntimeError("a good hello brings an agreement")
    epoch = agreement.begin(EPOCH, link, TERMS, now=TIME + 60.5, random=stream("welcome"))
    welcome = agreement.message
    if welcome is None or gateway.check(welcome, now=TIME + 61) != epoch:
        raise RuntimeError("both sides have the same epoch")
    own_root = seed("root of device 9")
    return {
        "nonce": nonce.hex(),
        "hello": _hex(hello),
        "welcome": _hex(welcome),
        "gateway_share": _second(stream("hello")).hex(),
        "server_share": stream("welcome")(32).hex(),
        "secret": epoch.secret.hex(),
        "transcript": epoch.transcript.hex(),
        "frame_keys": {"8": frame_key(epoch.secret, 8, 1).hex(), "8, suite 2": frame_key(epoch.secret, 8, 2).hex()},
        "device_root": own_root.hex(),
        "frame_key_of_device_9": frame_key(epoch.secret, 9, 1, own_root).hex(),
    }


def _hex(message: Any) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in message.items()}


def _second(take: Callable[[int], bytes]) -> bytes:
    take(32)
    return take(32)


def _kem_seed() -> bytes:
    take = stream("gateway")
    take(32)
    return take(64)


def _kem_public(kem_seed: bytes) -> bytes:
    return MLKEM768PrivateKey.from_seed_bytes(kem_seed).public_key().public_bytes_raw()


def _kept_certificates() -> Callable[[str], bytes | None]:
    """Certificates have random serial numbers: those of the first run stand in the file."""
    held = _kept().get("certificates", {})
    return lambda name: bytes.fromhex(held[name]) if name in held else None


def _kept() -> dict[str, Any]:
    place = Path(__file__).parent / "vectors.json"
    try:
        found: dict[str, Any] = json.loads(place.read_text())
    except (OSError, ValueError):
        return {}
    return found


def main() -> None:
    """Print the vectors."""
    held = _kept().get("mlkem_ciphertext")
    json.dump(make(bytes.fromhex(held) if held else None), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
