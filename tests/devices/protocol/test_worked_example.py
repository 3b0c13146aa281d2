"""docs/wire-protocol.md: its example is made again here, byte by byte, and it names every error of the link."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices import errors
from devices.kinds.registry import by_key
from devices.protocol.ascon import backend
from devices.protocol.decoding import decode_readings
from devices.protocol.frames import HEARD_VERSION, FrameKind, Header, encode_readings, join_frames
from devices.protocol.heard import Run, encode_heard, split_heard
from devices.protocol.hello import make_hello

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "wire-protocol.md").read_text()
KEY = bytes(range(16))


def example() -> str:
    """Return the example's text: heart rate 72/min at 2026-01-01 00:00:00.250 UTC from device 7, counter 42."""
    header = Header(FrameKind.READINGS, device=7, epoch=1, counter=42)
    payload = encode_readings(1000, [by_key("heart_rate").code], [1767225600.25], [72.0])
    sealed = backend("python").seal(KEY, header.nonce, header.raw, payload)
    assert decode_readings(7, payload)["value"] == [72.0]
    said = header._replace(counter=43, version=HEARD_VERSION)
    with_times = encode_heard([Run(1, 1767225600.5)]) + payload
    assert split_heard(with_times) == ([Run(1, 1767225600.5)], payload)
    sealed_with_times = backend("python").seal(KEY, said.nonce, said.raw, with_times)
    gateway_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    hello = make_hello(
        {"type": "challenge", "nonce": "00" * 32, "server_time": 0.0}, gateway_id=3, software="x", key=gateway_key
    )
    lines = {
        "key": KEY.hex(),
        "header": header.raw.hex(),
        "nonce": header.nonce.hex(),
        "payload": payload.hex(),
        "ciphertext": sealed[:-16].hex(),
        "tag": sealed[-16:].hex(),
        "message": join_frames([header.raw + sealed]).hex(),
        "version 2, header": said.raw.hex(),
        "version 2, payload": with_times.hex(),
        "version 2, sealed": sealed_with_times.hex(),
        "gateway key": bytes(range(32)).hex(),
        "challenge": "00" * 32,
        "signature of gateway 3": hello["signature"],
    }
    return "\n".join(f"{name + ':':<23} {value}" for name, value in lines.items())


def test_worked_example_is_what_the_code_makes() -> None:
    assert example() in PAGE


def test_every_error_of_the_link_is_on_the_page() -> None:
    bases = {"frame_refused", "reading_refused"}
    found = [e.code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.DomainError)]
    wanted = {code for code in found if code != "error"} - bases
    assert {code for code in wanted if f"| `{code}` |" not in PAGE} == set()
