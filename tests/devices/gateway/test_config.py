"""The configuration file: every way to get it wrong has a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devices.gateway.config import ConfigRefused, load
from tests.devices.gateway.conftest import DEVICE_KEYS, KEY

Write = Callable[..., Path]


def pem(key: object) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined,no-any-return]


def test_keys_come_from_the_file_or_from_files_beside_it(write_config: Write) -> None:
    config = load(write_config())
    assert config.keys() == DEVICE_KEYS
    assert config.private_key().private_bytes_raw() == KEY.private_bytes_raw()
    assert config.tls() is None


def test_example_of_the_documentation_is_a_configuration(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "add-a-device.md"
    path = tmp_path / "gateway.json"
    path.write_text(page.read_text().split("```json\n")[1].split("```")[0])
    assert load(path).plant.entry == "package.module:build"


def test_private_key_may_be_pem(write_config: Write) -> None:
    path, key = write_config(), Ed25519PrivateKey.generate()
    path.with_name("gateway.key").write_bytes(pem(key))
    assert load(path).private_key().private_bytes_raw() == key.private_bytes_raw()


@pytest.mark.parametrize(
    "raw", [b"-----BEGIN nonsense", pem(generate_private_key(SECP256R1())), b"zz", b"00", b"\xff\x00"]
)
def test_private_key_of_another_sort_is_refused(write_config: Write, raw: bytes) -> None:
    path = write_config()
    path.with_name("gateway.key").write_bytes(raw)
    with pytest.raises(ConfigRefused):
        load(path).private_key()


@pytest.mark.parametrize(
    "change",
    [
        {"server": "http://ward"},
        {"devices": [{"device_id": 7, "kind": "cgm", "key_hex": "00" * 16, "suite": "rot13"}]},
        {"gateway_id": 0},
        {"gateway_id": "3"},
        {"gateway_id": 2**32},
        {"devices": [{"device_id": 7, "kind": "cgm"}, {"device_id": 7, "kind": "cgm"}]},
        {"interval_s": 0},
        {"readings_per_frame": 5000},
        {"max_queue_mb": 0},
        {"surprise": 1},
    ],
)
def test_wrong_value_is_refused(write_config: Write, change: dict[str, object]) -> None:
    with pytest.raises(ConfigRefused):
        load(write_config(**change))


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"gateway_id": 3})])
def test_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.json"
    path.write_text(text)
    with pytest.raises(ConfigRefused):
        load(path)


def test_missing_files_are_named(write_config: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="none\\.json"):
        load(tmp_path / "none.json")
    with pytest.raises(ConfigRefused, match="none\\.key"):
        load(write_config(private_key_file="none.key")).private_key()
    with pytest.raises(ConfigRefused, match="none\\.pem"):
        load(write_config(server="wss://ward.example/", ca_file="none.pem")).tls()


def test_wss_checks_the_servers_certificate(write_config: Write) -> None:
    context = load(write_config(server="wss://ward.example/ws/gateway/")).tls()
    assert context is not None
    assert context.check_hostname
