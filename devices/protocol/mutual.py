"""How a paired gateway and its server prove themselves to each other, and from what their next epoch of keys comes.

```
 server    challenge {nonce}
 gateway   hello     {certificate, nonce, time, share, suites, measurement, signature, proof}
 server    welcome   {epoch, suite, share, time, certificate, signature, proof}
```

Signatures are Ed25519 under certificates of the house; proofs are HMACs that need the root key of the pairing, so that
a stolen signing key, or a quantum computer, is not enough. The shares (X25519) hide each epoch's keys from whoever
steals the root later. A hello in an open session begins the next epoch: the transcript so far stands for the nonce.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from devices.errors import (
    CertificateExpired,
    CertificateOfAnother,
    CertificateRevoked,
    ClockSkewed,
    GatewayRefused,
    SuiteUnknown,
)
from devices.protocol import epochs
from devices.protocol.certificates import Identity, Kind, Profile, Subject, check, is_for_tls, now_utc
from devices.protocol.hello import NONCE_BYTES, PURPOSE_MUTUAL, MutualHello, MutualWelcome, Transcript
from devices.protocol.settings import GatewaySettings, attach
from devices.protocol.suites import Suite

PREFERRED = (Suite.ASCON_AEAD128, Suite.AES_128_GCM, Suite.PHOTON_BEETLE)  # the first that both have
SKEW_S = 300.0  # readings of a clock that is further off are refused too
SERIAL_BYTES = 20
MAX_MEASUREMENT_BYTES = 256
MAX_SOFTWARE_BYTES = 40
SERVER = Subject(Kind.SERVER, 0)
_WELCOME = b"medtwin/server-welcome/2"
Random = Callable[[int], bytes]


class LinkIdentity(NamedTuple):
    """How one end proves itself: its key and certificate, and the authority that both trust (DER)."""

    key: Ed25519PrivateKey
    certificate: bytes
    authority: bytes


class Epoch(NamedTuple):
    """What both ends have after a greeting. secret: 32 bytes. transcript: its hash; the next hello goes on from it."""

    number: int
    suite: int
    secret: bytes
    transcript: bytes


class Terms(NamedTuple):
    """What the server allows: unanswered frames, and how long and for how many frames an epoch lasts."""

    credit: int
    epoch_s: int
    epoch_frames: int


def check_clock(theirs: float, now: float) -> None:
    """Return when two clocks (s since the Unix epoch) are close enough. Raises ClockSkewed, also for NaN."""
    if not abs(theirs - now) <= SKEW_S:
        raise ClockSkewed(f"The clocks of gateway and server are more than {SKEW_S:.0f} s apart.")


def said_by_gateway(nonce: bytes, hello: MutualHello) -> bytes:
    """Return what a hello says as the bytes that are signed; nonce: 32 bytes, the challenge or the transcript so far.

    Raises ValueError, struct.error or OverflowError for what does not fit the layout.
    """
    measurement, software = hello["measurement"], hello["software"].encode("ascii")
    if len(measurement) > MAX_MEASUREMENT_BYTES or len(software) > MAX_SOFTWARE_BYTES or len(nonce) != NONCE_BYTES:
        raise ValueError("a field is too long")
    return b"".join(
        [
            PURPOSE_MUTUAL,
            nonce,
            struct.pack(">I", hello["gateway"]),
            _fixed(hello["certificate"], SERIAL_BYTES),
            _fixed(hello["nonce"], NONCE_BYTES),
            struct.pack(">d", hello["time"]),
            _fixed(hello["share"], 32),
            struct.pack(">B", len(hello["suites"])) + bytes(hello["suites"]),
            struct.pack(">H", len(measurement)) + measurement,
            struct.pack(">B", len(software)) + software,
        ]
    )


def said_by_server(heard: bytes, welcome: MutualWelcome) -> bytes:
    """Return what a welcome says as the bytes that are signed. heard: the transcript's hash after the hello."""
    return b"".join(
        [
            _WELCOME,
            heard,
            struct.pack(">IdQB", welcome["credit"], welcome["server_time"], welcome["epoch"], welcome["suite"]),
            _fixed(welcome["share"], 32),
            struct.pack(">IQ", welcome["epoch_s"], welcome["epoch_frames"]),
            hashlib.sha256(welcome["certificate"]).digest(),
            hashlib.sha256(welcome["renewed"]).digest(),
        ]
    )


class GatewayGreeting:
    """The gateway's half: one hello and the welcome that answers it."""

    def __init__(self, gateway_id: int, identity: LinkIdentity, serial: int, root: bytes) -> None:
        self._gateway_id, self._identity, self._serial, self._root = gateway_id, identity, serial, root
        self._share = X25519PrivateKey.generate()
        self._said = self._heard = b""
        self._suites: Sequence[int] = ()
        self._nonces = b"", b""
        self._time = 0.0

    def hello(
        self,
        nonce: bytes,
        *,
        now: float,
        software: str,
        measurement: bytes = b"",
        suites: Sequence[int] = PREFERRED,
        random: Random = os.urandom,
    ) -> MutualHello:
        """Return the hello over a challenge's nonce, or over the transcript of the session that is open."""
        own = random(NONCE_BYTES)
        self._share = X25519PrivateKey.from_private_bytes(random(32))
        hello: MutualHello = {
            "type": "hello",
            "version": 2,
            "gateway": self._gateway_id,
            "software": software,
            "certificate": self._serial.to_bytes(SERIAL_BYTES),
            "nonce": own,
            "time": now,
            "share": self._share.public_key().public_bytes_raw(),
            "suites": [int(suite) for suite in suites],
            "measurement": measurement,
            "signature": b"",
            "proof": b"",
        }
        try:
            said = said_by_gateway(nonce, hello)
        except ValueError as error:  # a challenge of another length
            raise GatewayRefused("the server's challenge is not 32 bytes") from error
        signature, proof = self._identity.key.sign(said), epochs.hello_proof(self._root, said)
        self._heard = _heard(said, signature, proof)
        self._suites, self._nonces, self._time = suites, (nonce, own), now
        return {**hello, "signature": signature, "proof": proof}

    def check(self, welcome: MutualWelcome, *, now: float) -> Epoch:
        """Return the epoch that begins, once the server proved itself.

        Raises GatewayRefused or one of its kinds: ClockSkewed, SuiteUnknown, CertificateRefused.
        """
        try:
            said = said_by_server(self._heard, welcome)
            signature, proof = welcome["signature"], welcome["proof"]
            certificate = welcome["certificate"]
            shared = self._share.exchange(X25519PublicKey.from_public_bytes(welcome["share"]))
        except (ValueError, struct.error, TypeError, KeyError) as error:
            raise GatewayRefused("the server's welcome is not whole") from error
        server = check(certificate, self._identity.authority, expected=SERVER, now=now_utc(now))
        try:
            Ed25519PublicKey.from_public_bytes(server.public_key).verify(signature, said)
        except InvalidSignature as error:
            raise GatewayRefused("the server's signature does not fit") from error
        check_clock(welcome["server_time"], now)
        if welcome["suite"] not in self._suites:
            raise SuiteUnknown
        transcript = hashlib.sha256(said + signature).digest()
        secret = epochs.epoch_secret(
            self._root,
            shared,
            nonces=self._nonces,
            time=self._time,
            gateway_id=self._gateway_id,
            epoch=welcome["epoch"],
            transcript=transcript,
        )
        if not hmac.compare_digest(proof, epochs.welcome_proof(secret)):
            raise GatewayRefused("the server does not have the root key of the pairing")
        return Epoch(welcome["epoch"], welcome["suite"], secret, transcript)


@dataclass(slots=True, eq=False)
class Agreement:
    """The server's half, after a good hello: what the welcome and the epoch's secret are made from.

    serial: of the certificate that the gateway showed. epoch and message: None until the epoch began.
    """

    hello: MutualHello
    nonce: bytes
    root: bytes
    heard: bytes
    suite: int
    serial: str
    epoch: Epoch | None = None
    message: MutualWelcome | None = None
    settings: GatewaySettings = field(
        default_factory=GatewaySettings
    )  # what the welcome wishes of the gateway's devices

    def begin(
        self,
        number: int,
        identity: LinkIdentity,
        terms: Terms,
        *,
        now: float,
        renewed: bytes = b"",
        random: Random = os.urandom,
    ) -> Epoch:
        """Begin epoch `number`: make the secret, and the welcome that proves the server."""
        share = X25519PrivateKey.from_private_bytes(random(32))
        shared = share.exchange(X25519PublicKey.from_public_bytes(self.hello["share"]))
        welcome: MutualWelcome = {
            "type": "welcome",
            "version": 2,
            "credit": terms.credit,
            "server_time": now,
            "epoch": number,
            "suite": int(self.suite),
            "share": share.public_key().public_bytes_raw(),
            "epoch_s": terms.epoch_s,
            "epoch_frames": terms.epoch_frames,
            "certificate": identity.certificate,
            "renewed": renewed,
            "signature": b"",
            "proof": b"",
        }
        said = said_by_server(self.heard, welcome)
        signature = identity.key.sign(said)
        transcript = hashlib.sha256(said + signature).digest()
        secret = epochs.epoch_secret(
            self.root,
            shared,
            nonces=(self.nonce, self.hello["nonce"]),
            time=self.hello["time"],
            gateway_id=self.hello["gateway"],
            epoch=number,
            transcript=transcript,
        )
        proof = epochs.welcome_proof(secret)
        self.message = {**welcome, "signature": signature, "proof": proof}
        if self.settings.number:
            self.message = attach(self.message, self.settings, secret)
        self.epoch = Epoch(number, self.suite, secret, transcript)
        return self.epoch


def check_mutual(
    hello: MutualHello, *, nonce: bytes, public_key: bytes, root: bytes, certificates: Mapping[str, float], now: float
) -> Transcript:
    """Return the proof that a hello was made by the gateway with that key (raw) and root, with its agreement.

    certificates: serial number -> end (s since the Unix epoch) of those that count. Raises GatewayRefused or one of its
    kinds: ClockSkewed, SuiteUnknown, CertificateRefused.
    """
    try:
        said = said_by_gateway(nonce, hello)
        signature, proof = hello["signature"], hello["proof"]
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(hello["share"]))
    except (ValueError, struct.error, TypeError, KeyError) as error:
        raise GatewayRefused from error
    transcript = Transcript(hello["gateway"], public_key, nonce, signature, said)
    if not transcript.holds() or not hmac.compare_digest(proof, epochs.hello_proof(root, said)):
        raise GatewayRefused
    _check_certificate(hello["certificate"].hex(), certificates, now)
    check_clock(hello["time"], now)
    suite = next((suite for suite in PREFERRED if suite in hello["suites"]), None)
    if suite is None:
        raise SuiteUnknown
    heard = _heard(said, signature, proof)
    return transcript._replace(agreement=Agreement(hello, nonce, root, heard, suite, hello["certificate"].hex()))


def _check_certificate(serial: str, certificates: Mapping[str, float], now: float) -> None:
    ends = certificates.get(serial)
    if ends is None:
        raise CertificateRevoked
    if ends <= now:
        raise CertificateExpired


class Renewed(NamedTuple):
    """A certificate that a welcome brought, DER, and what it says."""

    der: bytes
    said: Identity
    for_tls: bool


def renewed_certificate(
    welcome: MutualWelcome, identity: LinkIdentity, gateway_id: int, now: float, *, tls_key: bytes = b""
) -> Renewed | None:
    """Return the new certificate that a checked welcome brings, for the link or for TLS; None when it brings none.

    tls_key: the gateway's public one for TLS, raw. Raises CertificateRefused, also for one that is for another key.
    """
    der = welcome["renewed"]
    if not der:
        return None
    for_tls = is_for_tls(der)
    profile, key = (
        (Profile.TLS_CLIENT, tls_key) if for_tls else (Profile.LINK, identity.key.public_key().public_bytes_raw())
    )
    subject = Subject(Kind.GATEWAY, gateway_id)
    said = check(der, identity.authority, expected=subject, now=now_utc(now), profile=profile)
    if said.public_key != key:
        raise CertificateOfAnother
    return Renewed(der, said, for_tls)


def _fixed(raw: bytes, size: int) -> bytes:
    if len(raw) != size:
        raise ValueError("a field has another length")
    return raw


def _heard(said: bytes, signature: bytes, proof: bytes) -> bytes:
    return hashlib.sha256(said + signature + proof).digest()
