"""`python -m compliance.supply.audit`: known weaknesses of the pinned packages.

Asks the advisory service through pip-audit. Where that cannot be reached it says "not checked" and ends well, since a
house without the internet must still be able to build; `--advisories FILE` checks against OSV records from a file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PINNED = Path(__file__).resolve().parents[2] / "constraints.txt"
TIMEOUT_S = 120


class Finding(NamedTuple):
    """A package of ours that an advisory names."""

    package: str
    version: str
    advisory: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}: {self.advisory}"


class NotReached(Exception):
    """The advisory service gave no answer."""


def pins(path: Path) -> dict[str, str]:
    """Return the exact version of every pinned package."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    wanted = [Requirement(line) for line in lines if line]
    return {canonicalize_name(each.name): next(iter(each.specifier)).version for each in wanted}


def advisories_in(path: Path) -> list[dict[str, Any]]:
    """Return the OSV records of a file: one record, a list of them, or the `vulns` of an answer of the OSV API."""
    read = json.loads(path.read_text())
    records = read.get("vulns", [read]) if isinstance(read, dict) else read
    if not all(isinstance(record, dict) and "id" in record for record in records):
        raise ValueError(f"{path} does not hold OSV records")
    return list(records)


def check(pinned: dict[str, str], advisories: Iterable[dict[str, Any]]) -> list[Finding]:
    """Return the pinned packages that an advisory affects, withdrawn advisories left out."""
    found = []
    for advisory in advisories:
        for affected in advisory.get("affected", []):
            package = affected.get("package", {})
            name = canonicalize_name(package.get("name", ""))
            known = package.get("ecosystem") == "PyPI" and name in pinned and "withdrawn" not in advisory
            if known and affects(affected, pinned[name]):
                found.append(Finding(name, pinned[name], advisory["id"]))
    return found


def affects(affected: dict[str, Any], version: str) -> bool:
    """Tell whether an OSV `affected` entry names this version, in its list or by its ranges."""
    if version in affected.get("versions", []):
        return True
    ranges = [each for each in affected.get("ranges", []) if each.get("type") == "ECOSYSTEM"]
    return any(_inside(each.get("events", []), Version(version)) for each in ranges)


def _inside(events: list[dict[str, str]], version: Version) -> bool:
    """Walk a range's events in their order: each switches being affected on or off."""
    inside = False
    for event in events:
        try:
            if "introduced" in event and version >= Version(event["introduced"]):
                inside = True
            if "fixed" in event and version >= Version(event["fixed"]):
                inside = False
            if "last_affected" in event and version > Version(event["last_affected"]):
                inside = False
        except InvalidVersion:  # a bound that nobody can compare hides nothing
            continue
    return inside


def ask_service(path: Path) -> list[Finding]:
    """Return what pip-audit finds. Raises NotReached when it could not ask."""
    tool = Path(sys.executable).with_name("pip-audit")
    command = [
        str(tool),
        "-r",
        str(path),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        answer = json.loads(asked.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        raise NotReached from error
    return [
        Finding(package["name"], package["version"], weakness["id"])
        for package in answer["dependencies"]
        for weakness in package.get("vulns", [])
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; return 1 when there are any, 0 when there are none or nobody could be asked."""
    parser = ArgumentParser(prog="python -m compliance.supply.audit", description=__doc__)
    parser.add_argument("--advisories", type=Path, help="OSV records (JSON) to check against instead of the service")
    parser.add_argument("--pinned", type=Path, default=PINNED)
    options = parser.parse_args(arguments)
    pinned = pins(options.pinned)
    try:
        given = options.advisories
        found = check(pinned, advisories_in(given)) if given else ask_service(options.pinned)
    except NotReached:
        print(f"NOT CHECKED: the advisory service cannot be reached; {len(pinned)} packages stay unchecked.")
        return 0
    for finding in found:
        print(finding)
    print(f"{len(pinned)} packages checked, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
