"""The server's half of a pairing: answers M1 with M2, opens M3, closes with M4. It keeps nothing itself.

```
          M1: clock, nonce, keys                 M3: identity, signature, code, MAC
 waiting ------------------------> answered ---------------------------------------> paired (M4), or waiting again
                                                  wrong code: one guess less
```
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from devices.errors import PairingForged, PairingMalformed
from devices.pairing import schedule
from devices.pairing.messages import (
    HEAD,
    NONCE_BYTES,
    Answer,
    Head,
    Outcome,
    Proof,
    read_head,
    read_offer,
    read_proof,
    write_answer,
    write_outcome,
)
from devices.protocol.mutual import LinkIdentity, check_clock

Random = Callable[[int], bytes]
Encapsulate = Callable[[bytes], tuple[bytes, bytes]]


class Answered(NamedTuple):
    """What the server has to keep between M2 and M3: 64 bytes, secret."""

    secret: bytes
    transcript: bytes

    @property
    def raw(self) -> bytes:
        """Both, one after the other."""
        return self.secret + self.transcript

    @classmethod
    def of(cls, raw: bytes) -> Answered:
        """Return what `raw` was made from."""
        return cls(raw[:32], raw[32:])


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """Return an ML-KEM-768 secret for a public key, and its ciphertext. Raises PairingMalformed."""
    try:
        return MLKEM768PublicKey.from_public_bytes(public).encapsulate()
    except ValueError as error:
        raise PairingMalformed from error


def answer_offer(
    message: bytes,
    identity: LinkIdentity,
    *,
    now: float,
    random: Random = os.urandom,
    kem: Encapsulate = encapsulate,
) -> tuple[bytes, Answered]:
    """Return M2 for an M1, and what has to be kept for M3. Raises PairingMalformed or ClockSkewed."""
    head = read_head(message, 1)
    offer = read_offer(message)
    check_clock(offer.at, now)
    curve = X25519PrivateKey.from_private_bytes(random(32))
    public = curve.public_key().public_bytes_raw()
    mlkem_secret, ciphertext = kem(offer.mlkem)
    try:
        shared = curve.exchange(X25519PublicKey.from_public_bytes(offer.x25519))
    except ValueError as error:  # a point of small order gives zeros
        raise PairingMalformed from error
    answer = Answer(now, random(NONCE_BYTES), public, ciphertext, identity.certificate, identity.authority)
    unsigned = write_answer(head._replace(type=2), answer)
    before = schedule.begin_transcript(message)
    signature = identity.key.sign(schedule.SIGNED_BY_SERVER + schedule.go_on(before, unsigned))
    transcript = schedule.go_on(before, unsigned + signature)
    agreed = schedule.Agreed(mlkem_secret, shared, offer.mlkem, ciphertext, offer.x25519, public)
    return unsigned + signature, Answered(schedule.handshake_secret(agreed, transcript), transcript)


def open_proof(message: bytes, answered: Answered) -> Proof:
    """Return what M3 holds, once its seal and the identity's signature were checked; the code was not yet.

    Raises PairingMalformed or PairingForged.
    """
    head = read_head(message, 3)
    plaintext = schedule.unseal(answered.secret, 3, message[: HEAD.size], message[HEAD.size :])
    proof = read_proof(plaintext)
    try:
        key = Ed25519PublicKey.from_public_bytes(proof.public_key)
        key.verify(proof.signature, identity_signs(head, answered.transcript))
    except (InvalidSignature, ValueError) as error:
        raise PairingForged from error
    return proof


def finish(
    message: bytes, proof: Proof, answered: Answered, *, code: str, certificate: bytes, tls_certificate: bytes = b""
) -> tuple[bytes, bytes]:
    """Return M4 and the root key. code: the right one, its 16 symbols. Raises PairingForged when the MAC is not."""
    head = read_head(message, 3)
    confirmed = schedule.confirm(answered.secret, head.subject, code)
    if not hmac.compare_digest(proof.mac, gateway_mac(confirmed, answered.transcript, proof)):
        raise PairingForged
    transcript = schedule.go_on(answered.transcript, message)
    mac = schedule.mac(confirmed.of_server, transcript, certificate + tls_certificate)
    head = head._replace(type=4)
    sealed = schedule.seal(answered.secret, 4, head.raw, write_outcome(Outcome(certificate, mac, tls_certificate)))
    outcome = head.raw + sealed
    return outcome, schedule.root_key(confirmed, schedule.go_on(transcript, outcome))


def identity_signs(head: Head, transcript: bytes) -> bytes:
    """Return what the new identity key signs: purpose, who it will be, and the transcript after M2."""
    return schedule.SIGNED_BY_IDENTITY + head.subject.urn.encode() + b"\0" + transcript


def gateway_mac(confirmed: schedule.Confirmed, transcript: bytes, proof: Proof) -> bytes:
    """Return the gateway's confirmation, over everything before it."""
    content = proof.public_key + proof.tls_key + proof.signature + proof.software.encode()
    return schedule.mac(confirmed.of_gateway, transcript, content)
