"""Which licences what we ship may have. The product is Apache-2.0, and a hospital may keep its changes to itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SHIPPED_EXTRAS = ("server", "gateway", "mqtt")
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "PSF-2.0", "Python-2.0", "TCL", "ZPL-2.1", "Zlib", "LLVM-exception", "MPL-2.0",
    "Apache Software License", "BSD License", "MIT License", "ISC License (ISCL)", "Python Software Foundation License",
    "Mozilla Public License 2.0 (MPL 2.0)", "Zope Public License",
}  # fmt: skip
# What is not on the list and may be shipped all the same, with the reason.
EXCEPTED = {
    "psycopg": "LGPL-3.0: used unchanged as a separate library, which whoever runs it can replace",
    "psycopg-binary": "LGPL-3.0: the same",
}


def shipped(pyproject: Path) -> set[str]:
    """Return the names of every package that an installation has: our requirements and theirs, as installed here."""
    project = tomllib.loads(pyproject.read_text())["project"]
    waiting = [Requirement(line) for extra in SHIPPED_EXTRAS for line in project["optional-dependencies"][extra]]
    seen: dict[str, set[str]] = {}
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in seen and wanted.extras <= seen[name]:
            continue
        seen[name] = seen.get(name, set()) | wanted.extras
        waiting += _required_by(name, seen[name])
    return set(seen)


def _required_by(name: str, extras: set[str]) -> list[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # not on this platform
        return []
    found = [Requirement(line) for line in lines]
    return [r for r in found if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in (extras or {""}))]


def licences_of(component: dict[str, Any]) -> list[str]:
    """Return what an SBOM says of a component's licences: SPDX expressions, names, or the words of a classifier."""
    found = [held.get("expression") or held["license"].get("id") or held["license"].get("name", "") for held in
             component.get("licenses", [])]  # fmt: skip
    return [licence.removeprefix("License :: ").removeprefix("OSI Approved :: ") for licence in found if licence]


def is_allowed(licence: str) -> bool:
    """Tell whether an SPDX expression, or a licence's name, can be met with licences of the list."""
    if licence in ALLOWED:
        return True
    parts = [part for part in re.split(r"\s+(?:AND|WITH)\s+|[()]", licence) if part.strip()]
    return (
        all(any(choice.strip() in ALLOWED for choice in re.split(r"\s+OR\s+", part)) for part in parts) and parts != []
    )


def findings(components: Iterable[dict[str, Any]], names: set[str]) -> list[str]:
    """Return a sentence for every component of `names` whose licence is unknown or not on the list."""
    said = []
    for component in components:
        name = canonicalize_name(component["name"])
        if name not in names or name in EXCEPTED:
            continue
        licences = licences_of(component)
        if not any(is_allowed(licence) for licence in licences):
            said.append(f"{name}: {', '.join(licences) or 'no licence is named'}")
    return said
