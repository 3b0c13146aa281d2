"""The gateway's half of a pairing: for itself, or for a device that has no screen of its own.

```
          M1              M2 proves the server             M4 confirms
 offered ----> waiting ----------------------> proven ------------------> paired
                                            (written to disk before M3 leaves, so that M3 can be sent again)
```
"""

from __future__ import annotations

import hmac
import os
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from devices.errors import PairingForged, PairingMalformed
from devices.pairing import schedule
from devices.pairing.address import PairingAddress
from devices.pairing.codes import canonical
from devices.pairing.messages import (
    HEAD,
    NO_KEY,
    NONCE_BYTES,
    Answer,
    Head,
    Offer,
    Proof,
    read_answer,
    read_head,
    read_outcome,
    split_answer,
    write_offer,
    write_proof,
)
from devices.pairing.server_side import Random, gateway_mac, identity_signs
from devices.protocol.certificates import Kind, Profile, Subject, check, check_pinned, now_utc
from devices.protocol.mutual import SERVER, check_clock


class Proven(NamedTuple):
    """A pairing whose server is proven and whose M3 is made; everything that finishing it takes. Secret.

    identity: the seed of the new Ed25519 key, 32 bytes. message: M3. transcript: after M3. tls_key: the seed of the key
    for TLS connections; empty for a device.
    """

    address: PairingAddress
    identity: bytes
    secret: bytes
    transcript: bytes
    message: bytes
    authority: bytes
    tls_key: bytes = b""


class Paired(NamedTuple):
    """What a pairing leads to. identity, tls_key: Ed25519 seeds; root: 32 bytes; certificates and authority: DER."""

    subject: Subject
    identity: bytes
    root: bytes
    certificate: bytes
    authority: bytes
    tls_key: bytes = b""
    tls_certificate: bytes = b""


class Pairing:
    """One run, from M1 to M3; fresh keys each time."""

    def __init__(self, address: PairingAddress, *, software: str, random: Random = os.urandom) -> None:
        self._address, self._software, self._random = address, software, random
        self._curve = X25519PrivateKey.from_private_bytes(random(32))
        self._kem = MLKEM768PrivateKey.from_seed_bytes(random(64))
        self._offer = b""

    def offer(self, now: float) -> bytes:
        """Return M1."""
        head = Head(1, self._address.subject, self._address.reference)
        keys = self._curve.public_key().public_bytes_raw(), self._kem.public_key().public_bytes_raw()
        self._offer = write_offer(head, Offer(now, self._random(NONCE_BYTES), *keys))
        return self._offer

    def prove(self, message: bytes, now: float) -> Proven:
        """Return the pairing with its M3, once M2 proved the server.

        Raises PairingMalformed, PairingForged, ClockSkewed, CertificateForeign for an authority that was not pinned,
        and what `certificates.check` raises.
        """
        head = read_head(message, 2)
        if (head.subject, head.reference) != (self._address.subject, self._address.reference):
            raise PairingForged("The server answered for another pairing.")
        unsigned, signature = split_answer(message)
        answer = read_answer(unsigned)
        check_pinned(answer.authority, self._address.authority)
        server = check(answer.certificate, answer.authority, expected=SERVER, now=now_utc(now))
        before = schedule.begin_transcript(self._offer)
        try:
            key = Ed25519PublicKey.from_public_bytes(server.public_key)
            key.verify(signature, schedule.SIGNED_BY_SERVER + schedule.go_on(before, unsigned))
        except InvalidSignature as error:
            raise PairingForged("The server's signature does not fit.") from error
        check_clock(answer.at, now)
        transcript = schedule.go_on(before, message)
        secret = schedule.handshake_secret(self._agree(answer), transcript)
        return self._prove(head, answer, secret, transcript)

    def _agree(self, answer: Answer) -> schedule.Agreed:
        try:
            shared = self._curve.exchange(X25519PublicKey.from_public_bytes(answer.x25519))
            secret = self._kem.decapsulate(answer.ciphertext)
        except ValueError as error:
            raise PairingMalformed from error
        public = self._kem.public_key().public_bytes_raw()
        mine = self._curve.public_key().public_bytes_raw()
        return schedule.Agreed(secret, shared, public, answer.ciphertext, mine, answer.x25519)

    def _prove(self, head: Head, answer: Answer, secret: bytes, transcript: bytes) -> Proven:
        seed = self._random(32)
        tls_seed = self._random(32) if head.subject.kind is Kind.GATEWAY else b""
        key = Ed25519PrivateKey.from_private_bytes(seed)
        code = canonical(self._address.code)
        if code is None:
            raise PairingMalformed("The pairing code is not whole.")
        head = head._replace(type=3)
        signature = key.sign(identity_signs(head, transcript))
        proof = Proof(_public(seed), _public(tls_seed), signature, code.encode(), b"", self._software)
        confirmed = schedule.confirm(secret, head.subject, code)
        proof = proof._replace(mac=gateway_mac(confirmed, transcript, proof))
        message = head.raw + schedule.seal(secret, 3, head.raw, write_proof(proof))
        after = schedule.go_on(transcript, message)
        return Proven(self._address, seed, secret, after, message, answer.authority, tls_seed)


def finish(proven: Proven, message: bytes, now: float) -> Paired:
    """Return what was agreed, once M4 confirmed it. Raises PairingMalformed, PairingForged or CertificateRefused."""
    head = read_head(message, 4)
    if (head.subject, head.reference) != (proven.address.subject, proven.address.reference):
        raise PairingForged("The server answered for another pairing.")
    outcome = read_outcome(schedule.unseal(proven.secret, 4, message[: HEAD.size], message[HEAD.size :]))
    code = canonical(proven.address.code) or ""
    confirmed = schedule.confirm(proven.secret, head.subject, code)
    given = outcome.certificate, outcome.tls_certificate
    if not hmac.compare_digest(outcome.mac, schedule.mac(confirmed.of_server, proven.transcript, b"".join(given))):
        raise PairingForged("The server did not confirm the code.")
    wanted = [(outcome.certificate, proven.identity, Profile.LINK)]
    if proven.tls_key:
        wanted.append((outcome.tls_certificate, proven.tls_key, Profile.TLS_CLIENT))
    for certificate, seed, profile in wanted:
        said = check(certificate, proven.authority, expected=head.subject, now=now_utc(now), profile=profile)
        if said.public_key != _public(seed):
            raise PairingForged("The certificate is for another key.")
    root = schedule.root_key(confirmed, schedule.go_on(proven.transcript, message))
    tls = proven.tls_key, outcome.tls_certificate
    return Paired(head.subject, proven.identity, root, outcome.certificate, proven.authority, *tls)


def _public(seed: bytes) -> bytes:
    """Return the public half of an Ed25519 seed; `NO_KEY` where there is none."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() if seed else NO_KEY
