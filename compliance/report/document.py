"""The report as data: canonical JSON (RFC 8785), its digest, and the signature over it and over its pages.

The document names patients by their random identifiers alone. Records that prove a violation are disclosed with salt
and inclusion proof, so that a reader can lead each of them to the checkpoint without asking the house. Who checks it is
`compliance.verify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from compliance.log.notes import Signer
from compliance.verify.canonical import canonical
from compliance.verify.report import FORMAT, signed_text


def digest_of(report: Mapping[str, Any]) -> str:
    """Return SHA-256 of the canonical report, in hexadecimal."""
    return sha256(canonical(dict(report)).encode()).hexdigest()


def signed(report: Mapping[str, Any], pdf: bytes, signer: Signer) -> dict[str, Any]:
    """Return the document: the report, the hash of its pages, and a note with both under the log's own key."""
    pages = sha256(pdf).hexdigest()
    text = signed_text(signer.name, digest_of(report), pages)
    return {"format": FORMAT, "report": dict(report), "pdf": pages, "signature": f"{text}\n{signer.line(text)}"}
