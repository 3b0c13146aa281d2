"""What holds in a report and what does not, line by line: its signature, its pages, its records, and its sums."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from compliance.log.notes import Checkpoint, Note, NoteRefused
from compliance.verify.checks import QUORUM, Trust, entry_lines, keys_line, log_line, read_head, witness_lines
from compliance.verify.claims import content_of
from compliance.verify.outcome import Line, broken, held, told
from compliance.verify.report import Report, RuleLine, signed_text
from compliance.verify.strict import MAX_BYTES, Unreadable


def check_report(report: Report, trust: Trust, *, pdf: bytes | None = None, quorum: int = QUORUM) -> list[Line]:
    """Check everything that a report claims. pdf: the pages that came with it."""
    log = report.log
    lines = [keys_line((log.log, *log.witnesses), trust), *_signature_lines(report, trust), _pdf_line(report, pdf)]
    try:
        note, head = read_head(log.checkpoint)
    except NoteRefused as error:
        return [*lines, broken("checkpoint_unreadable", f"The checkpoint cannot be read: {error}.")]
    lines.append(log_line(note, head, trust, "checkpoint"))
    lines += witness_lines(note, trust, quorum)
    if (log.origin, log.size, log.root) != (head.origin, head.size, head.root):
        lines.append(broken("head", "The report names another log, size or root than its checkpoint."))
    lines += (line for entry in log.leaves for line in entry_lines(entry, head))
    lines += _violation_lines(report)
    lines += _sum_lines(report)
    lines.append(
        told("completeness", "That no violation was left out is the house's word: replay the rules over the whole log.")
    )
    return lines


def read_pdf(path: Path) -> bytes:
    """Return the pages. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{path} cannot be opened: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"{path} is larger than {MAX_BYTES} bytes")
    return raw


def _signature_lines(report: Report, trust: Trust) -> Iterator[Line]:
    try:
        note = Note.parse(report.signature)
    except NoteRefused as error:
        yield broken("report_signature", f"The report's signature cannot be read: {error}.")
        return
    if note.text != signed_text(report.log.origin, report.digest, report.pdf):
        yield broken("report_changed", "The report is not the one that was signed.")
        return
    found = log_line(note, Checkpoint(report.log.origin, report.log.size, report.log.root), trust, "report")
    if found.outcome == "holds":
        yield held("report_signature", f"{report.log.origin} signed the report of {report.month}: {report.digest}.")
    else:
        yield broken("report_signature", found.words)


def _pdf_line(report: Report, pdf: bytes | None) -> Line:
    if pdf is None:
        return told("pdf_absent", f"The pages were not compared: --pdf. Their SHA-256 is {report.pdf}.")
    if sha256(pdf).hexdigest() == report.pdf:
        return held("pdf", "The pages are the ones that were made from this report.")
    return broken("pdf", "The pages are not the ones that were made from this report.")


# --- Violations against the records that prove them -------------------------------------------------------------------


def _violation_lines(report: Report) -> Iterator[Line]:
    """Hold each violation against the records in the report."""
    records = {entry.index: entry for entry in report.log.leaves}
    named = {leaf for violation in report.violations for leaf in violation.leaves}
    if len(records) != len(report.log.leaves):
        yield broken("leaf_twice", "A record stands in the report twice.")
    if missing := sorted(named - records.keys()):
        yield broken("leaf_missing", f"A violation names leaf {missing[0]}, which is not proved.")
    if spare := sorted(records.keys() - named):
        yield broken("leaf_spare", f"No violation names leaf {spare[0]}.")
    keys = [(violation.rule, violation.leaf, violation.demand) for violation in report.violations]
    if len(set(keys)) != len(keys):
        yield broken("violation_twice", "A violation stands in the report twice.")
    wrong = 0
    for violation in report.violations:
        entry = records.get(violation.leaf)
        said = content_of(entry.opened.record) if entry is not None and entry.opened is not None else None
        problem = _problem(violation.leaf, violation.leaves, violation.state, violation.reason)
        problem = problem or (_differs(said, violation.at, violation.patient) if said is not None else "")
        if problem or f"{violation.at.astimezone(UTC):%Y-%m}" != report.month:
            wrong += 1
            yield broken("violation", f"The violation at leaf {violation.leaf} {problem or 'is of another month'}.")
    if not wrong:
        yield held("violations", f"{len(report.violations)} violations fit the records that prove them.")


def _problem(leaf: int, leaves: tuple[int, ...], state: str, reason: str) -> str:
    if leaf not in leaves or list(leaves) != sorted(set(leaves)):
        return "does not name its record among those that prove it, once each and in order"
    return "is settled without a reason" if state != "open" and not reason.strip() else ""


def _differs(said: dict[str, Any], at: datetime, patient: str | None) -> str:
    try:
        moment = datetime.fromisoformat(said["at"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return "is proved by a record without a time"
    if moment.replace(microsecond=0) != at.astimezone(UTC):
        return "tells another time than its record"
    return "tells another patient than its record" if patient is not None and said.get("patient") != patient else ""


# --- Sums -------------------------------------------------------------------------------------------------------------


def _sum_lines(report: Report) -> Iterator[Line]:
    """Add up again what the report counts."""
    wrong = list(_wrong_sums(report))
    yield from (broken("sum", words) for words in wrong)
    if not wrong:
        yield held("sums", "The numbers add up.")


def _wrong_sums(report: Report) -> Iterator[str]:
    rules = {(rule.id, rule.version): rule for rule in report.rules}
    if len(rules) != len(report.rules):
        yield "A rule stands in the report twice."
    if strangers := [v.rule for v in report.violations if (v.rule, v.version) not in rules]:
        yield f"A violation is of a rule that is not listed: {strangers[0]}."
    for rule in report.rules:
        if not _adds_up(rule, report):
            yield f"The numbers of rule {rule.id} do not fit its violations."
    sums = {name: sum(getattr(rule, name) for rule in report.rules) for name in ("judged", "violations", "open")}
    if report.totals != {**sums, "settled": sums["violations"] - sums["open"]}:
        yield "The totals are not the sums of the rules."
    year, month = int(report.month[:4]), int(report.month[5:])
    days = Counter(violation.at.astimezone(UTC).day for violation in report.violations)
    length = monthrange(year, month)[1] if year else 0
    if list(report.by_day) != [days[day] for day in range(1, length + 1)]:
        yield "The days do not fit the violations."
    made = (report.made_at.astimezone(UTC).year, report.made_at.astimezone(UTC).month)
    if made < (year, month) or report.complete != (made > (year, month)):
        yield "Whether the month was over does not fit the time at which the report was made."


def _adds_up(rule: RuleLine, report: Report) -> bool:
    mine = [v for v in report.violations if (v.rule, v.version) == (rule.id, rule.version)]
    records = len({violation.leaf for violation in mine})
    share = (rule.judged - records) / rule.judged if rule.judged else None
    counts = (len(mine), sum(violation.state == "open" for violation in mine))
    return counts == (rule.violations, rule.open) and records <= rule.judged and rule.share_met == share
