"""What holds in a bundle and what does not, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from compliance.log.merkle import ProofRefused, leaf_hash, verify_consistency, verify_inclusion
from compliance.log.notes import QUANTUM_SAFE_KEY, Checkpoint, Note, NoteRefused, Verifier, independent
from compliance.verify.bundle import Bundle, Entry
from compliance.verify.claims import claim_lines, summary_of
from compliance.verify.outcome import Line, broken, held, told

QUORUM = 2


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count. own_word: the keys came with the bundle itself."""

    logs: tuple[Verifier, ...]
    witnesses: tuple[Verifier, ...]
    own_word: bool = False


def check_bundle(bundle: Bundle, trust: Trust, *, old: str | None = None, quorum: int = QUORUM) -> list[Line]:
    """Check everything that a bundle claims. old: a checkpoint that the outsider kept from before."""
    lines = [keys_line((bundle.log, *bundle.witnesses), trust)]
    try:
        note, head = read_head(bundle.checkpoint)
    except NoteRefused as error:
        return [*lines, broken("checkpoint_unreadable", f"The checkpoint cannot be read: {error}.")]
    lines.append(log_line(note, head, trust, "checkpoint"))
    lines += witness_lines(note, trust, quorum)
    lines += (line for entry in bundle.entries for line in entry_lines(entry, head))
    lines += claim_lines(bundle)
    if bundle.earlier is not None:
        lines += _earlier_lines(bundle.earlier.checkpoint, bundle.earlier.proof, head, trust, "The earlier checkpoint")
    if old is not None:
        lines += _kept_lines(bundle, old, head, trust)
    return lines


def read_head(raw: str) -> tuple[Note, Checkpoint]:
    """Return a signed note and the tree head in it. Raises NoteRefused."""
    note = Note.parse(raw)
    return note, Checkpoint.parse(note.text)


# --- Whose word it is -------------------------------------------------------------------------------------------------


def keys_line(named: tuple[Verifier, ...], trust: Trust) -> Line:
    """Say whose word the keys are. named: those that came with the file."""
    if trust.own_word:
        names = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in named)
        return told(
            "keys_of_the_bundle",
            f"The keys are the file's own word ({names}). Compare them with keys that you got another way: --keys.",
        )
    foreign = sorted({key.name for key in named if key not in {*trust.logs, *trust.witnesses}})
    if foreign:
        return told("keys_differ", f"Ignored: keys in the file that are not among yours ({', '.join(foreign)}).")
    return held("keys", "The file names no key that you did not bring.")


def log_line(note: Note, head: Checkpoint, trust: Trust, what: str) -> Line:
    """Check the log's signature under a note."""
    known = [key for key in trust.logs if key.name == head.origin]
    if not known:
        return broken("log_unknown", f"The {what} is of {head.origin}, a log that none of the keys belongs to.")
    for key in known:
        try:
            note.signed_by(key)
        except NoteRefused as error:
            problem = error
        else:
            return held("log_signature", f"{head.origin} signed the {what}: {head.size} entries.")
    return broken("log_signature", f"The log's signature under the {what} does not hold: {problem}.")


def witness_lines(note: Note, trust: Trust, quorum: int) -> Iterator[Line]:
    """Count independent keys, not names: one witness under two names is one witness, and the log is none."""
    known = {(key.name, key.key_id): key for key in trust.witnesses}
    own = {key.public for key in trust.logs}
    logs = {(key.name, key.key_id) for key in trust.logs}
    signed: list[Verifier] = []
    for name, key_id, signature in note.signatures:
        key = known.get((name, key_id))
        if key is None:
            if (name, key_id) not in logs:
                yield told("witness_unknown", f"Not counted: a signature by {name}+{key_id.hex()}, who is unknown.")
            continue
        try:
            at = key.check(note.text, signature)
        except NoteRefused as error:
            yield broken("witness_signature", f"A witness's signature does not hold: {error}.")
            continue
        if key.public not in own:
            signed.append(key)
        how = " with ML-DSA-44" if key.kind == QUANTUM_SAFE_KEY else ""
        yield held("witness_signature", f"{name} signed this checkpoint{how} at {_moment(at)}.")
    count = independent(signed)
    word = "witness stands" if count == 1 else "independent witnesses stand"
    words = f"{count} {word} behind the checkpoint; {quorum} are needed."
    yield (held if count >= quorum else broken)("quorum", words)


def _moment(at: int | None) -> str:
    try:
        return datetime.fromtimestamp(at or 0, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {at}, which no calendar has"


# --- Entries ----------------------------------------------------------------------------------------------------------


def entry_lines(entry: Entry, head: Checkpoint) -> Iterator[Line]:
    """Check that an entry is in the log, and that it is what was committed to."""
    name = f"Entry {entry.index}"
    try:
        verify_inclusion(
            leaf=leaf_hash(entry.commitment), index=entry.index, size=head.size, proof=entry.proof, root=head.root
        )
    except ProofRefused as error:
        yield broken("proof", f"{name} is not proved to be in the log: {error}.")
    else:
        yield held("proof", f"{name} is in the log.")
    if entry.opened is None:
        yield told("record_absent", f"{name} comes without its record: erased, or not for whoever asked.")
    elif sha256(entry.opened.salt + entry.opened.record.encode()).digest() == entry.commitment:
        yield held("commitment", f"{name} is what was committed to: {summary_of(entry.opened.record)}.")
    else:
        yield broken("commitment", f"{name}: salt and record are not what was committed to.")


# --- Against earlier heads --------------------------------------------------------------------------------------------


def _earlier_lines(raw: str, proof: tuple[bytes, ...], head: Checkpoint, trust: Trust, what: str) -> Iterator[Line]:
    """Check that an older signed head is the beginning of this one."""
    try:
        note, older = read_head(raw)
    except NoteRefused as error:
        yield broken("earlier_unreadable", f"{what} cannot be read: {error}.")
        return
    yield log_line(note, older, trust, what.removeprefix("The ").lower())
    if older.origin != head.origin:
        yield broken("earlier_of_another_log", f"{what} is of another log: {older.origin}.")
        return
    try:
        verify_consistency(old=older.size, new=head.size, old_root=older.root, new_root=head.root, proof=proof)
    except ProofRefused as error:
        yield broken("consistency", f"{what} ({older.size} entries) is not the beginning of this log: {error}.")
    else:
        yield held("consistency", f"{what} ({older.size} entries) is the beginning of this log.")


def _kept_lines(bundle: Bundle, old: str, head: Checkpoint, trust: Trust) -> Iterator[Line]:
    """Check the checkpoint that the outsider kept, with the bundle's proof where that starts at the same size."""
    what = "The kept checkpoint"
    try:
        _, older = read_head(old)
    except NoteRefused as error:
        yield broken("earlier_unreadable", f"{what} cannot be read: {error}.")
        return
    if older.size > head.size:
        yield broken("older_than_kept", f"{what} ({older.size} entries) is newer than this one: ask for a new bundle.")
        return
    proof = _proof_from(bundle, older.size)
    if proof is None and older.size != head.size:
        yield broken("no_consistency", f"No proof from {older.size} entries on: ask for a bundle with it.")
        return
    yield from _earlier_lines(old, proof or (), head, trust, what)


def _proof_from(bundle: Bundle, size: int) -> tuple[bytes, ...] | None:
    if bundle.earlier is None:
        return None
    try:
        _, claimed = read_head(bundle.earlier.checkpoint)
    except NoteRefused:
        return None
    return bundle.earlier.proof if claimed.size == size else None
