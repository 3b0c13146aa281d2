"""A proof to take away: everything that an outsider needs to check a reading, and no key."""

from __future__ import annotations

from devices.evidence.checks import Facts
from devices.evidence.logged import LogLink
from devices.evidence.tree import path_of
from devices.telemetry.lanes import number_of

FORMAT = "medtwin/reading-evidence/1"


def bundle_of(facts: Facts, *, value: str, unit: str) -> dict[str, object]:
    """Return the bundle as JSON-simple values; bytes are hexadecimal.

    What only the holder of the device's key can check, that the frame opens to this value, stands in it as a claim.
    """
    reading = facts.reading
    return {
        "format": FORMAT,
        "claim": {
            "device": reading.device,
            "sequence": reading.seq,
            **({} if facts.number is None else {"path": facts.number, "path_sequence": number_of(reading.seq)}),
            "metric": reading.metric,
            "measured_at": reading.t,
            "received_at": reading.received,
            **({} if facts.heard is None else {"heard_at": facts.heard}),
            "value": value,
            "unit": unit,
        },
        "frame": facts.frame.hex() if facts.frame else None,
        "frame_sha256": _hash(facts),
        "session": _session(facts),
        "root": _root(facts),
        "log": log_part(facts.link),
    }


def _hash(facts: Facts) -> str | None:
    if facts.stored is None or facts.place is None:
        return None
    return facts.stored.group.hash_of(facts.place).hex()


def _session(facts: Facts) -> dict[str, object] | None:
    proof = facts.transcript
    if proof is None:
        return None
    return {
        "gateway": proof.gateway_id,
        "public_key": proof.public_key.hex(),
        "nonce": proof.nonce.hex(),
        "signature": proof.signature.hex(),
        "digest": proof.digest.hex(),
    }


def _root(facts: Facts) -> dict[str, object] | None:
    if facts.root is None or not 0 <= facts.index < len(facts.leaves):
        return None
    path = path_of(facts.leaves, facts.index)
    return {
        "root": facts.root.hex(),
        "leaf": facts.leaves[facts.index].hex(),
        "index": facts.index,
        "size": len(facts.leaves),
        "path": [node.hex() for node in path],
    }


def log_part(link: LogLink | None) -> dict[str, object] | None:
    """Return an entry of the log, the way to its signed head, and the keys; None where its record is gone."""
    if link is None or link.record is None or link.salt is None or link.log is None:
        return None
    return {
        "record": link.record,
        "salt": link.salt.hex(),
        "commitment": link.commitment.hex(),
        "index": link.index,
        "path": [node.hex() for node in link.path],
        "checkpoint": link.note,
        "log_key": link.log.encoded(),
        "witness_keys": [witness.encoded() for witness in link.witnesses],
    }
