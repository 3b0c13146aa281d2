"""A house, a gateway that pairs, and somebody in between who may do what they like to the messages."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from devices.pairing import server_side
from devices.pairing.address import PairingAddress
from devices.pairing.codes import canonical, new_code
from devices.protocol import certificates
from devices.protocol.certificates import Kind, Profile, Subject
from devices.protocol.mutual import SERVER, LinkIdentity

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
T = NOW.timestamp()
REFERENCE = b"ref-ref-"
GATEWAY = Subject(Kind.GATEWAY, 7)


@dataclass
class House:
    """An authority with a server; pairs whoever knows the code."""

    name: str = "House"
    made: datetime = NOW
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.authority = certificates.make_authority(self.key, name=self.name, now=self.made)
        self.link = self.identity_of(SERVER)

    def identity_of(self, subject: Subject, *, days: float = 90, made: datetime | None = None) -> LinkIdentity:
        key = Ed25519PrivateKey.generate()
        return LinkIdentity(key, self.certify(subject, key.public_key().public_bytes_raw(), days, made), self.authority)

    def certify(
        self,
        subject: Subject,
        public: bytes,
        days: float = 90,
        made: datetime | None = None,
        profile: Profile = Profile.LINK,
    ) -> bytes:
        key, now = Ed25519PublicKey.from_public_bytes(public), made or self.made
        return certificates.issue(
            self.authority, self.key, subject=subject, public_key=key, now=now, days=days, profile=profile
        )

    def address(self, code: str | None = None, subject: Subject = GATEWAY) -> PairingAddress:
        return PairingAddress(
            "https://house", subject, REFERENCE, code or new_code(), certificates.fingerprint(self.authority)
        )

    def answer(self, offer: bytes, now: float = T) -> bytes:
        reply, self.answered = server_side.answer_offer(offer, self.link, now=now)
        return reply

    def close(self, message: bytes, code: str) -> tuple[bytes, bytes]:
        """Return M4 and the root. The right code is checked as the registry does it: by comparing."""
        proof = server_side.open_proof(message, self.answered)
        link, tls = (
            self.certify(GATEWAY, proof.public_key),
            self.certify(GATEWAY, proof.tls_key, profile=Profile.TLS_CLIENT),
        )
        return server_side.finish(
            message, proof, self.answered, code=canonical(code) or "", certificate=link, tls_certificate=tls
        )


def wait_time(days: float) -> datetime:
    return NOW + timedelta(days=days)


def real_now() -> datetime:
    return datetime.fromtimestamp(time.time(), tz=UTC)
