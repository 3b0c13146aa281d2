"""`python -m compliance.verify FILE [--keys FILE] [--old CHECKPOINT] [--pdf FILE]`: say what holds.

FILE is a bundle of proofs or a monthly report of compliance; what it is stands in it. Ends with 0 when all holds, 1
when something does not, 2 when a file cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from compliance.log.notes import LOG_KEY, MAX_NOTE_CHARS, NoteRefused, Verifier
from compliance.verify.bundle import bundle_in
from compliance.verify.checks import QUORUM, Trust, check_bundle
from compliance.verify.outcome import Line, Outcome, holds
from compliance.verify.report import report_in
from compliance.verify.report_checks import check_report, read_pdf
from compliance.verify.strict import Unreadable, read_text, strict_json

HOLDS, WRONG, UNREADABLE = 0, 1, 2
REPORT_FAMILY = "medtwin/compliance-report/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the file that the arguments name, print line by line, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        lines = _lines(options)
    except Unreadable as error:
        _say(f"Cannot be read: {error}.")
        return UNREADABLE
    for line in lines:
        _say(f"{line.outcome.upper() if line.outcome is Outcome.BROKEN else line.outcome:<7} {line.words}")
    _say(_verdict(lines))
    return HOLDS if holds(lines) else WRONG


def _lines(options: argparse.Namespace) -> list[Line]:
    """Read what the arguments name and check it. Raises Unreadable."""
    parsed = strict_json(read_text(options.file))
    if isinstance(parsed, dict) and str(parsed.get("format")).startswith(REPORT_FAMILY):
        if options.old is not None:
            raise Unreadable("a report holds no proof from an older checkpoint: --old goes with a bundle")
        report = report_in(parsed)
        trust = _trust(options, (report.log.log, *report.log.witnesses))
        pdf = read_pdf(options.pdf) if options.pdf else None
        return check_report(report, trust, pdf=pdf, quorum=options.quorum)
    if options.pdf is not None:
        raise Unreadable("a bundle has no pages: --pdf goes with a report")
    bundle = bundle_in(parsed)
    trust = _trust(options, (bundle.log, *bundle.witnesses))
    old = read_text(options.old, 4 * MAX_NOTE_CHARS) if options.old else None
    return check_bundle(bundle, trust, old=old, quorum=options.quorum)


def _trust(options: argparse.Namespace, named: tuple[Verifier, ...]) -> Trust:
    """Return the keys that the outsider brought, else those that the file names."""
    if options.keys:
        return _trust_in(read_text(options.keys))
    return Trust(named[:1], named[1:], own_word=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compliance.verify", description="Check proofs from a transparency log, or a report."
    )
    parser.add_argument("file", type=Path, help="the bundle or the report, a JSON file")
    parser.add_argument("--keys", type=Path, help="keys that you trust, one on a line: of the log and of its witnesses")
    parser.add_argument("--old", type=Path, help="a checkpoint of this log that you kept from before")
    parser.add_argument("--pdf", type=Path, help="the pages of a report, to compare with it")
    parser.add_argument("--quorum", type=_quorum, default=QUORUM, help="witnesses needed (%(default)s)")
    return parser


def _quorum(word: str) -> int:
    number = int(word)
    if number < 0:
        raise argparse.ArgumentTypeError("a number of witnesses, 0 or more")
    return number


def _trust_in(text: str) -> Trust:
    """Read keys, one on a line; empty lines and those that begin with # say nothing. Raises Unreadable."""
    words = [line.strip() for line in text.splitlines()]
    try:
        keys = [Verifier.decode(word) for word in words if word and not word.startswith("#")]
    except (NoteRefused, UnicodeEncodeError) as error:
        raise Unreadable(f"the file of keys is wrong: {error}") from error
    logs = tuple(key for key in keys if key.kind == LOG_KEY)
    return Trust(logs, tuple(key for key in keys if key.kind != LOG_KEY))


def _verdict(lines: list[Line]) -> str:
    wrong = sorted({line.code for line in lines if line.outcome is Outcome.BROKEN})
    if wrong:
        return f"Something is wrong: {', '.join(wrong)}."
    own_word = any(line.code == "keys_of_the_bundle" for line in lines)
    return "All holds, if the keys are right." if own_word else "All holds."


def _say(words: str) -> None:
    """Print one line; what a bundle says must not steer a terminal."""
    print("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words))


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever reads has seen enough
        sys.exit(WRONG)
