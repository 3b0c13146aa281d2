from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
DEVICE_KEYS = {7: b"7" * 16, 8: b"8" * 16}


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of a gateway's configuration file: `write_config(port=..., interval_s=...)`."""

    def write(*, port: int = 9, entry: str = "tests.devices.gateway.plants:build", **changes: object) -> Path:
        (tmp_path / "gateway.key").write_text(KEY.private_bytes_raw().hex())
        (tmp_path / "device-8.key").write_text(DEVICE_KEYS[8].hex() + "\n")
        options = changes.pop("options", {})
        described = {
            "gateway_id": 3,
            "server": f"ws://127.0.0.1:{port}/ws/gateway/",
            "private_key_file": "gateway.key",
            "queue": "queue.sqlite3",
            "devices": [
                {"device_id": 7, "kind": "vital_signs_monitor", "key_hex": DEVICE_KEYS[7].hex()},
                {"device_id": 8, "kind": "vital_signs_monitor", "key_hex_file": "device-8.key"},
            ],
            "plant": {"entry": entry, "options": options},
        }
        path = tmp_path / "gateway.json"
        path.write_text(json.dumps(described | changes))
        return path

    return write
