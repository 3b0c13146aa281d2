"""A file of many gateways and devices: read as people write it, with what is wrong in each line and how to mend it.

Comma, semicolon or tab between the cells, the names of the columns in the first line. What stands in the registry is
not known here: `devices.services.provisioning` compares with that.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from devices.kinds.registry import KINDS
from devices.protocol.suites import SUITE_NAMES, SUITES, Suite
from devices.provisioning.labels import DEVICE_LINKS, GATEWAY_LINKS, LabelRefused, name_of, serial_of

GATEWAY = "gateway"
COLUMNS = {
    "kind": f"{GATEWAY}, or the kind of a device: {', '.join(KINDS)}",
    "gateway": "the name of the gateway, or of the one on which the device hangs",
    "serial": "the serial number of a device",
    "label": "what pages call a device; its kind's own word where empty",
    "ward": "the ward of a gateway",
    "link": f"of a gateway {', '.join(GATEWAY_LINKS)}; of a device {', '.join(DEVICE_LINKS)}; the first where empty",
    "cipher": f"of a device: {', '.join(facts.name for facts in SUITES.values() if not facts.for_measurement)}; "
    "the first where empty",
    "patient": "the record number of whoever wears the device; nobody where empty",
}
NEEDED = ("kind", "gateway")
MOST_ROWS, MOST_CHARACTERS = 500, 200_000
EXAMPLE = """kind,gateway,serial,label,ward,link,cipher,patient
gateway,Ward 1 north,,,Ward 1,ethernet,,
cgm,Ward 1 north,CGM-4711,,,ble,,MRN-100
infusion_pump,Ward 1 north,PUMP-0042,Pump by the window,,wired,aes-128-gcm,
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file. kind: `gateway` or a device kind; patient: a record number. wrong: what to mend."""

    line: int
    kind: str
    gateway: str = ""
    serial: str = ""
    label: str = ""
    ward: str = ""
    link: str = ""
    suite: Suite = Suite.ASCON_AEAD128
    patient: str = field(default="", repr=False)
    wrong: tuple[str, ...] = ()

    @property
    def is_gateway(self) -> bool:
        """Tell whether the line is about a gateway."""
        return self.kind == GATEWAY

    @property
    def title(self) -> str:
        """What pages would call it."""
        if self.is_gateway:
            return self.gateway or "Gateway"
        return self.label or (KINDS[self.kind].label if self.kind in KINDS else self.kind)

    @property
    def name(self) -> str:
        """What names the thing: a gateway's name, or a device's serial number."""
        return self.gateway if self.is_gateway else self.serial

    def but(self, *wrong: str) -> Row:
        """Return the row with more that is wrong."""
        return replace(self, wrong=(*self.wrong, *wrong))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file says. wrong: what is wrong with it as a whole; then there are no rows."""

    rows: tuple[Row, ...] = ()
    wrong: str = ""


def read_sheet(text: str) -> Sheet:
    """Return the rows of a file, each with what can be seen to be wrong in the file alone."""
    text = text.removeprefix("\ufeff")
    if len(text) > MOST_CHARACTERS:
        return Sheet(wrong=f"The file is too long: at most {MOST_CHARACTERS:,} characters. Divide it.")
    if "\0" in text:
        return Sheet(wrong="The file is no text. Save it as CSV once more.")
    try:
        cells = [(number, line) for number, line in _lines(text) if any(cell.strip() for cell in line)]
    except csv.Error as error:
        return Sheet(wrong=f"The file cannot be read as a table: {error}. Save it as CSV once more.")
    if not cells:
        return Sheet(wrong="The file is empty. Its first line names the columns.")
    names = [name.strip().lower() for name in cells[0][1]]
    if wrong := _wrong_columns(names):
        return Sheet(wrong=wrong)
    if len(cells) == 1:
        return Sheet(wrong="The file names its columns and nothing else. Write a line for each gateway and device.")
    if len(cells) - 1 > MOST_ROWS:
        return Sheet(wrong=f"The file has {len(cells) - 1} lines, {MOST_ROWS} are the most at once. Divide it.")
    return Sheet(tuple(_without_repeats(_row(number, names, line) for number, line in cells[1:])))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for line in reader:
        yield reader.line_num, line


def _wrong_columns(names: list[str]) -> str:
    known = ", ".join(COLUMNS)
    if unknown := [name for name in names if name not in COLUMNS]:
        shown = ", ".join(name[:40] or "(empty)" for name in unknown[:5])
        return f"The first line names columns that are not known: {shown}. Known are {known}."
    if repeated := {name for name in names if names.count(name) > 1}:
        return f"The first line names a column twice: {', '.join(sorted(repeated))}."
    if missing := [name for name in NEEDED if name not in names]:
        return f"The first line does not name the column {', '.join(missing)}. Known are {known}."
    return ""


def _row(number: int, names: list[str], line: list[str]) -> Row:
    said = dict.fromkeys(names, "") | {name: cell.strip() for name, cell in zip(names, line, strict=False)}
    surplus = any(cell.strip() for cell in line[len(names) :])
    row = _gateway(number, said) if said["kind"].lower() == GATEWAY else _device(number, said)
    return row.but("It has more cells than the first line names columns.") if surplus else row


def _gateway(number: int, said: Mapping[str, str]) -> Row:
    found = _Checked(said)
    for column in ("serial", "label", "cipher", "patient"):
        if said.get(column):
            found.wrong.append(f"A gateway has no {column}: leave that cell empty.")
    if not said.get("ward"):
        found.wrong.append("Name the ward on which the gateway stands.")
    return Row(
        line=number,
        kind=GATEWAY,
        gateway=found.taken("gateway", lambda text: name_of(text, of="gateway")),
        ward=said.get("ward", ""),
        link=found.one_of("link", GATEWAY_LINKS),
        wrong=tuple(found.wrong),
    )


def _device(number: int, said: Mapping[str, str]) -> Row:
    found = _Checked(said)
    kind = said["kind"].lower()
    if kind not in KINDS:
        found.wrong.append(f"There is no kind “{said['kind'][:40]}”: write {GATEWAY} or one of {', '.join(KINDS)}.")
    if said.get("ward"):
        found.wrong.append("A device stands where its gateway does: leave the ward empty.")
    if not said.get("gateway"):
        found.wrong.append("Name the gateway on which the device hangs.")
    return Row(
        line=number,
        kind=kind,
        gateway=said.get("gateway", ""),
        serial=found.taken("serial", serial_of),
        label=found.taken("label", lambda text: name_of(text, of="device") if text else ""),
        link=found.one_of("link", DEVICE_LINKS),
        suite=SUITE_NAMES[found.one_of("cipher", tuple(SUITE_NAMES))],
        patient=said.get("patient", ""),
        wrong=tuple(found.wrong),
    )


class _Checked:
    """The cells of one line, and what was found to be wrong with them."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = said
        self.wrong: list[str] = []

    def taken(self, column: str, check: Callable[[str], str]) -> str:
        """Return the checked cell; as it was written where it is wrong."""
        text = self._said.get(column, "")
        try:
            return check(text)
        except LabelRefused as error:
            self.wrong.append(error.message)
            return text

    def one_of(self, column: str, choices: tuple[str, ...]) -> str:
        """Return the choice; the first where the cell is empty, or wrong."""
        text = self._said.get(column, "").lower()
        if text and text not in choices:
            self.wrong.append(f"The {column} “{text[:40]}” is not one of {', '.join(choices)}.")
        return text if text in choices else choices[0]


def _without_repeats(rows: Iterator[Row]) -> Iterator[Row]:
    """Mark each row that names something which an earlier one named."""
    first: dict[tuple[bool, str], int] = {}
    for row in rows:
        seen = first.setdefault((row.is_gateway, row.name), row.line)
        if row.name and seen != row.line:
            what = "gateway" if row.is_gateway else "serial number"
            yield row.but(f"Line {seen} has the same {what}: remove one of the two.")
        else:
            yield row
