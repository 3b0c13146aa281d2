"""The zip that a copy is: members written as streams, counted for the index, and bounded in size."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from compliance.errors import DomainError

if TYPE_CHECKING:
    from compliance.bulk import SealedFile

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
FLUSH_ROWS = 500


class CopyTooLarge(DomainError):
    """The copy would be larger than this house hands out at once. Ask at the ward: staff make it in parts."""

    code = "copy_too_large"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the copy, as the index names it. count: rows, resources or pictures; None where it is one thing."""

    name: str
    words: str
    count: int | None = None


class CopyArchive:
    """Collects a copy's files. `said` is called with progress in words, often: it decides what to do with it."""

    def __init__(self, file: SealedFile, said: Callable[[str], None], most_bytes: int) -> None:
        self._file, self._said, self._most = file, said, most_bytes
        self._zip = ZipFile(file, "w", ZIP_DEFLATED, allowZip64=True)
        self.members: list[Member] = []
        self.notes: list[str] = []

    def csv(self, name: str, words: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
        """Write a table (RFC 4180, UTF-8) and return how many rows it has. Cells never read as formulas."""
        with self._member(name) as out:
            sheet, count = io.StringIO(), 0
            writer = csv.writer(sheet)
            writer.writerow(head)
            for row in rows:
                writer.writerow([inert(cell) for cell in row])
                count += 1
                if count % FLUSH_ROWS == 0:
                    self._pour(sheet, out, f"{words}, {count}")
            self._pour(sheet, out, words)
        self.members.append(Member(name, words, count))
        return count

    def ndjson(self, name: str, words: str, things: Iterable[object]) -> int:
        """Write one JSON document on each line; return how many. None of them, and no file is made."""
        found = iter(things)
        first = next(found, None)
        if first is None:
            return 0
        with self._member(name) as out:
            count = 0
            thing: object | None = first
            while thing is not None:
                out.write(json.dumps(thing, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                count += 1
                if count % FLUSH_ROWS == 0:
                    self._check(f"{words}, {count}")
                thing = next(found, None)
        self.members.append(Member(name, words, count))
        return count

    def json(self, name: str, words: str, thing: object) -> None:
        """Write one JSON document."""
        self.bytes(name, words, json.dumps(thing, ensure_ascii=False, indent=1).encode())

    def bytes(self, name: str, words: str, data: bytes, *, packed: bool = False, listed: bool = True) -> None:
        """Write one file; `packed` is compressed already. Without `listed` the index does not name it."""
        self._check(words)
        self._zip.writestr(name, data, compress_type=ZIP_STORED if packed else ZIP_DEFLATED)
        if listed:
            self.members.append(Member(name, words))

    def note(self, words: str) -> None:
        """Say in the index what is not in the copy, and why."""
        self.notes.append(words)

    def close(self) -> None:
        """Write the zip's directory; the sealed file itself stays open."""
        self._zip.close()

    def _member(self, name: str) -> AbstractContextManager[IO[Any]]:
        return self._zip.open(name, "w", force_zip64=True)

    def _pour(self, sheet: io.StringIO, out: IO[Any], progress: str) -> None:
        out.write(sheet.getvalue().encode())
        sheet.seek(0)
        sheet.truncate()
        self._check(progress)

    def _check(self, progress: str) -> None:
        self._said(progress)
        if self._file.size > self._most:
            raise CopyTooLarge


def inert(cell: object) -> object:
    """Keep a spreadsheet from reading words as a formula; numbers stay numbers."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell
