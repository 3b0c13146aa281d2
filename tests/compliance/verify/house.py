"""A small log with two witnesses, made without a database, and bundles from it."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.log.merkle import consistency_proof, inclusion_proof, leaf_hash, node_hash, root_at
from compliance.log.notes import LOG_KEY, WITNESS_KEY, Checkpoint, Signer
from compliance.report.document import signed

ORIGIN = "log.example/ward"
PATIENT = "6f1d1f6e-0000-4000-8000-000000000001"


def signer(name: str, kind: int, seed: int) -> Signer:
    return Signer(name, kind, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


LOG = signer(ORIGIN, LOG_KEY, 0)
WITNESSES = [signer("north.example", WITNESS_KEY, 1), signer("south.example", WITNESS_KEY, 2)]
STRANGER = signer("stranger.example", WITNESS_KEY, 3)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


class Tree:
    """A log of `size` records in memory."""

    def __init__(self, size: int, first_code: str = "dose_given") -> None:
        self.salts = [sha256(b"salt %d" % n).digest() for n in range(size)]
        self.records = [
            json.dumps(
                {
                    "at": f"2026-01-01T00:00:{n:02d}+00:00",
                    "code": "dose_given" if n else first_code,
                    "event": n,
                    "kind": "event",
                    "patient": PATIENT,
                },
                separators=(",", ":"),
            )
            for n in range(size)
        ]
        self.commitments = [sha256(s + r.encode()).digest() for s, r in zip(self.salts, self.records, strict=True)]
        self._levels = [[leaf_hash(commitment) for commitment in self.commitments]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def node(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    def note(self, size: int, *, log: Signer = LOG, witnesses=tuple(WITNESSES), origin: str = ORIGIN) -> str:
        text = Checkpoint(origin, size, root_at(self, size)).text()
        return f"{text}\n{log.line(text)}" + "".join(w.line(text, 1_800_000_000) for w in witnesses)

    def entry(self, index: int, size: int) -> dict:
        return {
            "index": index,
            "commitment": b64(self.commitments[index]),
            "proof": [b64(item) for item in inclusion_proof(self, index, size)],
            "salt": b64(self.salts[index]),
            "record": self.records[index],
        }

    def bundle(self, indices, size: int, *, old: int | None = None, **about) -> dict:
        made = {
            "format": "medtwin-proofs/1",
            "about": about,
            "count": len(indices),
            "checkpoint": self.note(size),
            "keys": {"log": LOG.verifier.encoded(), "witnesses": [w.verifier.encoded() for w in WITNESSES]},
            "entries": [self.entry(index, size) for index in indices],
        }
        if old is not None:
            proof = [b64(item) for item in consistency_proof(self, old, size)]
            made["earlier"] = {"checkpoint": self.note(old, witnesses=()), "proof": proof}
        return made

    def report(self, pdf: bytes = b"%PDF") -> dict:
        """A signed report of January 2026 with one violation, proved by entries 1 and 2."""
        leaves = {str(index): {**self.entry(index, 5), "index": None} for index in (1, 2)}
        for leaf in leaves.values():
            del leaf["index"]
        violation = {
            "rule": "double-check", "version": 1, "demand": "checked", "sentence": "Nobody else.", "patient": PATIENT,
            "at": "2026-01-01T00:00:02+00:00", "leaf": 2, "leaves": [1, 2], "state": "open", "reason": "",
        }  # fmt: skip
        rule = {
            "id": "double-check", "version": 1, "title": "Checked", "plain": "Checked.", "judged": 3, "violations": 1,
            "open": 1, "share_met": 2 / 3,
        }  # fmt: skip
        note = self.note(5)
        content = {
            "ward": {"id": 1, "name": "Ward"},
            "month": "2026-01",
            "complete": True,
            "made_at": "2026-02-01T00:00:00+00:00",
            "totals": {"judged": 3, "violations": 1, "open": 1, "settled": 0},
            "rules": [rule],
            "by_day": [1] + [0] * 30,
            "violations": [violation],
            "log": {
                "origin": ORIGIN, "size": 5, "root": note.splitlines()[2], "checkpoint": note, "leaves": leaves,
                "keys": {"log": LOG.verifier.encoded(), "witnesses": [w.verifier.encoded() for w in WITNESSES]},
            },
        }  # fmt: skip
        return signed(content, pdf, LOG)
