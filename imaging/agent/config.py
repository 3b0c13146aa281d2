"""The agent's configuration file (JSON): identity, server, and the two folders that it lives between."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from imaging.agent.spool import Identity
from imaging.errors import StudyMalformed


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`inbox` holds one folder per study; `private_key_file` the gateway's 32-byte Ed25519 seed, raw or hexadecimal."""

    gateway_id: Annotated[int, Meta(ge=1)]
    server: str
    private_key_file: Path
    hospital_public_key_file: Path
    inbox: Path
    spool: Path
    settle_s: Annotated[float, Meta(ge=0)] = 5.0  # a folder is taken when nothing in it changed for so long
    poll_s: Annotated[float, Meta(gt=0)] = 2.0
    turn_file: Path | None = None  # the gateway's `turn_file`: routine images then wait for dose events and alarms


def read_config(path: Path) -> AgentConfig:
    """Return the configuration, its paths taken from its own folder; raise StudyMalformed with the field that is
    wrong."""

    def to_path(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return path.parent / value
        raise TypeError(f"expected {kind.__name__}")

    try:
        return msgspec.json.decode(path.read_bytes(), type=AgentConfig, dec_hook=to_path)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StudyMalformed(f"The configuration {path.name} is wrong: {error}.") from error


def read_identity(config: AgentConfig) -> Identity:
    """Return who this gateway is; raise StudyMalformed when a key file does not hold a key."""
    raw = config.private_key_file.read_bytes()
    try:
        seed = raw if len(raw) == 32 else bytes.fromhex(raw.decode("ascii").strip())
        key = Ed25519PrivateKey.from_private_bytes(seed)
    except ValueError as error:
        raise StudyMalformed(f"{config.private_key_file.name} does not hold an Ed25519 key.") from error
    return Identity(config.gateway_id, key, config.hospital_public_key_file.read_bytes())
