"""`python -m compliance.supply.sbom FILE`: all that is installed as CycloneDX JSON, valid, its licences checked."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from compliance.supply.licences import findings, shipped

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
VERSION = SchemaVersion.V1_6


def write(target: Path) -> None:
    """Write the SBOM of this environment. Raises CalledProcessError when the tool refuses."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options = ["environment", "--pyproject", str(PYPROJECT), "--output-reproducible", "--sv", VERSION.to_version()]
    subprocess.run([tool, *options, "--of", "JSON", "-o", str(target), sys.executable], check=True)


def faults_of(text: str) -> list[str]:
    """Return what is wrong with an SBOM: against the schema, or in the licences of what is shipped."""
    if (invalid := JsonStrictValidator(VERSION).validate_str(text)) is not None:
        return [f"not CycloneDX {VERSION.to_version()}: {invalid}"]
    return findings(json.loads(text)["components"], shipped(PYPROJECT))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, check it, and return 1 when something is wrong with it."""
    parser = ArgumentParser(prog="python -m compliance.supply.sbom", description=__doc__)
    parser.add_argument("file", type=Path)
    target: Path = parser.parse_args(arguments).file
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target)
    text = target.read_text()
    faults = faults_of(text)
    for fault in faults:
        print(f"licence or form: {fault}", file=sys.stderr)
    print(f"{target}: {len(json.loads(text)['components'])} components, {len(faults)} findings")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
