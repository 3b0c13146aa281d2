"""The committed vectors, made again by the code, and once more in a straight line without it.

What stands below was written from docs/wire-protocol.md. It uses primitives alone (hashlib, hmac, X25519, ML-KEM,
Ed25519, AES-GCM) and nothing of `devices`, so that code and document cannot be wrong together unnoticed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
L, E = b"medtwin/pairing/1/", b"medtwin/epoch/2/"


def raw(*path: str) -> bytes:
    value = VECTORS
    for name in path:
        value = value[name]
    return bytes.fromhex(value)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "sha256").digest()


def expand(key: bytes, info: bytes, size: int = 32) -> bytes:
    return mac(key, info + b"\1")[:size]  # RFC 5869, one block


def hkdf(ikm: bytes, salt: bytes, info: bytes, size: int = 32) -> bytes:
    return expand(mac(salt, ikm), info, size)


def after(transcript: bytes, message: bytes) -> bytes:
    return sha(transcript + struct.pack(">I", len(message)) + message)


def test_the_code_makes_the_same_vectors_again() -> None:
    from tests.devices.pairing.make_vectors import make

    assert make(raw("mlkem_ciphertext")) == VECTORS


def test_pairing_in_a_straight_line() -> None:
    m1, m2, m3, m4 = (bytes.fromhex(message) for message in VECTORS["messages"])
    gateway_curve = X25519PrivateKey.from_private_bytes(raw("seeds", "gateway_x25519"))
    server_curve = X25519PrivateKey.from_private_bytes(raw("seeds", "server_x25519"))
    kem = MLKEM768PrivateKey.from_seed_bytes(raw("seeds", "gateway_mlkem"))
    link = Ed25519PrivateKey.from_private_bytes(raw("seeds", "link"))
    identity = Ed25519PrivateKey.from_private_bytes(raw("seeds", "identity"))
    urn = b"urn:medtwin:gateway:7"

    # M1 and M2 as they lie on the wire
    assert m1[:16] == b"MTPR" + bytes([1, 1, 1, 1]) + bytes(4) + struct.pack(">I", 7)
    assert struct.unpack(">d", m1[24:32])[0] == VECTORS["time"]
    x_gateway, mlkem_key = m1[64:96], m1[96:1280]
    assert x_gateway == gateway_curve.public_key().public_bytes_raw()
    assert mlkem_key == kem.public_key().public_bytes_raw()
    assert len(m1) == 1280
    x_server, ciphertext = m2[64:96], m2[96:1184]
    assert x_server == server_curve.public_key().public_bytes_raw()
    assert ciphertext == raw("mlkem_ciphertext")
    (size,) = struct.unpack(">H", m2[1184:1186])
    assert m2[1186 : 1186 + size] == raw("certificates", "link")
    rest = m2[1186 + size :]
    (size,) = struct.unpack(">H", rest[:2])
    assert rest[2 : 2 + size] == raw("certificates", "authority")
    assert f"ca={sha(rest[2 : 2 + size]).hex()}" in VECTORS["uri"]
    signature = rest[2 + size :]

    # transcripts and signatures
    t1 = sha(L + b"transcript" + struct.pack(">I", len(m1)) + m1)
    assert link.sign(L + b"server signs" + after(t1, m2[:-64])) == signature
    t2 = after(t1, m2)
    t3, t4 = after(t2, m3), after(after(t2, m3), m4)

    # the secret of both agreements
    shared = gateway_curve.exchange(X25519PublicKey.from_public_bytes(x_server))
    salt = sha(L + b"public values" + mlkem_key + ciphertext + x_gateway + x_server)
    secret = hkdf(kem.decapsulate(ciphertext) + shared, salt, L + b"handshake" + t2)

    # M3
    plain = AESGCM(expand(secret, L + b"message 3")).decrypt(bytes(12), m3[24:], m3[:24])
    public, tls_key, signed, code = plain[:32], plain[32:64], plain[64:128], plain[128:144]
    confirmed, software = plain[144:176], plain[178:]
    tls = Ed25519PrivateKey.from_private_bytes(raw("seeds", "tls_key"))
    assert tls_key == tls.public_key().public_bytes_raw()
    assert public == identity.public_key().public_bytes_raw()
    assert identity.sign(L + b"identity signs" + urn + b"\0" + t2) == signed
    assert code == b"7K3M9QWX2PTR5VBN"
    mixed = mac(sha(L + b"code" + urn + b"\0" + code), secret)
    assert mac(expand(mixed, L + b"gateway confirms"), t2 + public + tls_key + signed + software) == confirmed
    assert (struct.unpack(">H", plain[176:178])[0], software) == (7, b"vectors")

    # M4
    plain = AESGCM(expand(secret, L + b"message 4")).decrypt(bytes(12), m4[24:], m4[:24])
    (size,) = struct.unpack(">H", plain[32:34])
    certificate, for_tls = plain[34 : 34 + size], plain[36 + size :]
    assert certificate == raw("certificates", "gateway")
    assert for_tls == raw("certificates", "gateway_tls")
    assert mac(expand(mixed, L + b"server confirms"), t3 + certificate + for_tls) == plain[:32]
    assert expand(mixed, L + b"root" + t4) == raw("root")
    assert expand(raw("root"), E + b"oscore") == raw("oscore_secret")


def test_greeting_and_keys_in_a_straight_line() -> None:
    greeting = VECTORS["greeting"]
    hello, welcome = greeting["hello"], greeting["welcome"]
    nonce, root = bytes.fromhex(greeting["nonce"]), raw("root")

    def of(message: dict[str, str], name: str) -> bytes:
        return bytes.fromhex(message[name])

    serial = x509.load_der_x509_certificate(raw("certificates", "gateway")).serial_number
    assert int(hello["certificate"], 16) == serial
    said = b"medtwin/gateway-hello/2" + nonce + struct.pack(">I", 7) + serial.to_bytes(20) + of(hello, "nonce")
    said += struct.pack(">d", hello["time"]) + of(hello, "share")
    said += bytes([3, 1, 2, 3]) + struct.pack(">H", 0) + bytes([7]) + b"vectors"
    identity = Ed25519PrivateKey.from_private_bytes(raw("seeds", "identity"))
    assert identity.sign(said) == of(hello, "signature")
    assert mac(expand(root, E + b"gateway proves"), said) == of(hello, "proof")
    heard = sha(said + of(hello, "signature") + of(hello, "proof"))

    said = b"medtwin/server-welcome/2" + heard
    said += struct.pack(">IdQB", welcome["credit"], welcome["server_time"], welcome["epoch"], welcome["suite"])
    said += of(welcome, "share") + struct.pack(">IQ", welcome["epoch_s"], welcome["epoch_frames"])
    said += sha(raw("certificates", "link")) + sha(b"")
    link = Ed25519PrivateKey.from_private_bytes(raw("seeds", "link"))
    assert link.sign(said) == of(welcome, "signature")
    transcript = sha(said + of(welcome, "signature"))
    assert transcript == of(greeting, "transcript")

    mine = X25519PrivateKey.from_private_bytes(of(greeting, "gateway_share"))
    theirs = X25519PrivateKey.from_private_bytes(of(greeting, "server_share"))
    assert mine.public_key().public_bytes_raw() == of(hello, "share")
    shared = mine.exchange(theirs.public_key())
    info = E + b"secret" + nonce + of(hello, "nonce") + struct.pack(">dIQ", hello["time"], 7, welcome["epoch"])
    secret = hkdf(root, shared, info + transcript)
    assert secret == of(greeting, "secret")
    assert expand(secret, E + b"server proves") == of(welcome, "proof")

    def frames(device: int, suite: int) -> bytes:
        return E + b"frames" + struct.pack(">IB", device, suite)

    assert expand(secret, frames(8, 1), 16).hex() == greeting["frame_keys"]["8"]
    assert expand(secret, frames(8, 2), 16).hex() == greeting["frame_keys"]["8, suite 2"]
    own = hkdf(of(greeting, "device_root"), secret, frames(9, 1) + b"paired", 16)
    assert own.hex() == greeting["frame_key_of_device_9"]
