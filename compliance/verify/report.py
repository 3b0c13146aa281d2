"""A monthly report of compliance as it is read from a file. The format stands in docs/compliance-rules.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from compliance.log.notes import Verifier
from compliance.verify.bundle import Entry, Opened
from compliance.verify.canonical import canonical
from compliance.verify.strict import (
    Unreadable,
    hash_of,
    list_of,
    log_key,
    number_of,
    object_of,
    proof_of,
    text_of,
    time_of,
    witness_key,
)

FORMAT = "medtwin/compliance-report/2"
MAX_WITNESSES, MAX_RULES, MAX_VIOLATIONS, MAX_LEAVES = 100, 1000, 100_000, 100_000
STATES = ("open", "explained", "closed")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """What a report counts for one version of a rule. share_met: of the records judged, None where there is none."""

    id: str
    version: int
    judged: int
    violations: int
    open: int
    share_met: float | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A violation that a report names. leaf: the record judged; leaves: all that prove it."""

    rule: str
    version: int
    demand: str
    at: datetime
    patient: str | None
    leaf: int
    leaves: tuple[int, ...]
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class LogPart:
    """The head under which a report proves its records, and the records."""

    origin: str
    size: int
    root: bytes
    checkpoint: str
    log: Verifier
    witnesses: tuple[Verifier, ...]
    leaves: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A report, what its maker signed, and the hash of the pages that were made from it."""

    month: str
    complete: bool
    made_at: datetime
    totals: dict[str, int]
    rules: tuple[RuleLine, ...]
    by_day: tuple[int, ...]
    violations: tuple[Broken, ...]
    log: LogPart
    digest: str  # SHA-256 of the canonical report, hexadecimal
    pdf: str  # SHA-256 of the PDF, hexadecimal
    signature: str


def signed_text(origin: str, digest: str, pdf: str) -> str:
    """Return what is signed. Its second line is no number, so that it can never pass for a checkpoint."""
    return f"{origin}\n{FORMAT}\nsha256 {digest}\npdf sha256 {pdf}\n"


def report_in(parsed: Any) -> Report:
    """Read a report from JSON that was read strictly. Raises Unreadable."""
    top = object_of(parsed, "the document", {"format", "report", "pdf", "signature"})
    if top["format"] != FORMAT:
        raise Unreadable(f"the format is not {FORMAT}")
    found = object_of(
        top["report"],
        "report",
        {"ward", "month", "complete", "made_at", "totals", "rules", "by_day", "violations", "log"},
    )
    ward = object_of(found["ward"], "ward", {"id", "name"})
    number_of(ward["id"], "ward.id")
    text_of(ward["name"], "ward.name")
    totals = object_of(found["totals"], "totals", {"judged", "violations", "open", "settled"})
    return Report(
        month=_matching(found["month"], "month", r"[0-9]{4}-(0[1-9]|1[0-2])"),
        complete=_flag(found["complete"], "complete"),
        made_at=time_of(found["made_at"], "made_at"),
        totals={name: number_of(value, f"totals.{name}") for name, value in totals.items()},
        rules=list_of(found["rules"], "rules", MAX_RULES, _rule),
        by_day=list_of(found["by_day"], "by_day", 31, number_of),
        violations=list_of(found["violations"], "violations", MAX_VIOLATIONS, _violation),
        log=_log(found["log"]),
        digest=_digest(found),
        pdf=_matching(top["pdf"], "pdf", r"[0-9a-f]{64}"),
        signature=text_of(top["signature"], "signature"),
    )


def _digest(report: dict[str, Any]) -> str:
    try:
        return sha256(canonical(report).encode()).hexdigest()
    except ValueError as error:
        raise Unreadable(f"the report has no canonical form: {error}") from error


def _rule(value: Any, where: str) -> RuleLine:
    found = object_of(value, where, {"id", "version", "title", "plain", "judged", "violations", "open", "share_met"})
    for name in ("title", "plain"):
        text_of(found[name], f"{where}.{name}")
    return RuleLine(
        id=text_of(found["id"], f"{where}.id"),
        version=number_of(found["version"], f"{where}.version"),
        judged=number_of(found["judged"], f"{where}.judged"),
        violations=number_of(found["violations"], f"{where}.violations"),
        open=number_of(found["open"], f"{where}.open"),
        share_met=_maybe(_share, found["share_met"], f"{where}.share_met"),
    )


def _violation(value: Any, where: str) -> Broken:
    found = object_of(
        value,
        where,
        {"rule", "version", "demand", "sentence", "at", "patient", "leaf", "leaves", "state", "reason"},
    )
    text_of(found["sentence"], f"{where}.sentence")
    state = text_of(found["state"], f"{where}.state")
    if state not in STATES:
        raise Unreadable(f"{where}.state is none of {', '.join(STATES)}")
    return Broken(
        rule=text_of(found["rule"], f"{where}.rule"),
        version=number_of(found["version"], f"{where}.version"),
        demand=text_of(found["demand"], f"{where}.demand"),
        at=time_of(found["at"], f"{where}.at"),
        patient=_maybe(text_of, found["patient"], f"{where}.patient"),
        leaf=number_of(found["leaf"], f"{where}.leaf"),
        leaves=list_of(found["leaves"], f"{where}.leaves", MAX_LEAVES, number_of),
        state=state,
        reason=text_of(found["reason"], f"{where}.reason"),
    )


def _log(value: Any) -> LogPart:
    found = object_of(value, "log", {"origin", "size", "root", "checkpoint", "keys", "leaves"})
    keys = object_of(found["keys"], "log.keys", {"log", "witnesses"})
    leaves = found["leaves"]
    if not isinstance(leaves, dict) or len(leaves) > MAX_LEAVES:
        raise Unreadable(f"log.leaves is not an object of at most {MAX_LEAVES}")
    return LogPart(
        origin=text_of(found["origin"], "log.origin"),
        size=number_of(found["size"], "log.size"),
        root=hash_of(found["root"], "log.root"),
        checkpoint=text_of(found["checkpoint"], "log.checkpoint"),
        log=log_key(keys["log"], "log.keys.log"),
        witnesses=list_of(keys["witnesses"], "log.keys.witnesses", MAX_WITNESSES, witness_key),
        leaves=tuple(_leaf(name, leaf) for name, leaf in leaves.items()),
    )


def _leaf(name: str, value: Any) -> Entry:
    where = f"log.leaves.{name[:20]}"
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", name):
        raise Unreadable("a leaf in log.leaves has no number")
    found = object_of(value, where, {"commitment", "salt", "record", "proof"})
    if (found["salt"] is None) != (found["record"] is None):
        raise Unreadable(f"{where} has a salt without a record, or a record without a salt")
    opened = None
    if found["salt"] is not None:
        opened = Opened(hash_of(found["salt"], f"{where}.salt"), text_of(found["record"], f"{where}.record"))
    return Entry(
        index=number_of(int(name), where),
        commitment=hash_of(found["commitment"], f"{where}.commitment"),
        proof=proof_of(found["proof"], f"{where}.proof"),
        opened=opened,
    )


def _matching(value: Any, where: str, pattern: str) -> str:
    text = text_of(value, where)
    if not re.fullmatch(pattern, text):
        raise Unreadable(f"{where} is not written as it should be")
    return text


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise Unreadable(f"{where} is neither true nor false")
    return value


def _share(value: Any, where: str) -> float:
    if type(value) not in {int, float} or not 0 <= value <= 1:
        raise Unreadable(f"{where} is not a share")
    return float(value)


def _maybe(read: Callable[[Any, str], Any], value: Any, where: str) -> Any:
    return None if value is None else read(value, where)
