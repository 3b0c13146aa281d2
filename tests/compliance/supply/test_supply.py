"""The list of what is shipped is whole and lawful, and a known weakness is found with or without the service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compliance.supply import audit, licences, sbom


def component(name: str, *held: dict[str, object]) -> dict[str, object]:
    return {"name": name, "licenses": list(held)}


def test_what_is_shipped_follows_from_the_project_and_holds_no_tool_of_development() -> None:
    names = licences.shipped(sbom.PYPROJECT)
    assert {"django", "sqlparse", "twisted", "torch", "aiomqtt", "psycopg-binary"} <= names
    assert not {"pytest", "pymerkle", "mypy", "playwright", "cyclonedx-bom"} & names


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("EPL-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-2.0-only", False),
        ("SSPL-1.0", False),
        ("Other/Proprietary License", False),
        ("", False),
    ],
)
def test_a_copyleft_or_unknown_licence_is_not_allowed(licence: str, allowed: bool) -> None:
    assert licences.is_allowed(licence) is allowed


def test_a_server_under_a_copyleft_licence_is_a_finding_and_a_tool_beside_it_is_not() -> None:
    gpl = {"license": {"id": "AGPL-3.0-only"}}
    listed = [
        component("Django", gpl),
        component("pymerkle", gpl),
        component("celery"),
        component("dash", {"expression": "MIT"}),
    ]
    assert licences.findings(listed, {"django", "celery", "dash"}) == [
        "django: AGPL-3.0-only",
        "celery: no licence is named",
    ]


def test_every_exception_is_shipped_and_says_why() -> None:
    assert set(licences.EXCEPTED) <= licences.shipped(sbom.PYPROJECT)
    assert all(len(reason) > 10 for reason in licences.EXCEPTED.values())


def test_the_sbom_is_valid_and_holds_what_is_shipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "build" / "sbom.json"
    assert sbom.main([str(target)]) == 0, capsys.readouterr().err
    listed = json.loads(target.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert {"Django", "Twisted"} <= {each["name"] for each in listed["components"]}


def test_an_sbom_that_is_not_one_is_refused() -> None:
    assert "not CycloneDX" in sbom.faults_of('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": 3}')[0]


def advisory(*events: dict[str, str], **more: object) -> dict[str, object]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    return {
        "id": "PYSEC-1",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "Foo_Bar"}, "ranges": ranges}],
        **more,
    }


@pytest.mark.parametrize(
    ("version", "events", "hit"),
    [
        ("1.9", [{"introduced": "0"}, {"fixed": "2.0"}], True),
        ("2.0", [{"introduced": "0"}, {"fixed": "2.0"}], False),
        ("1.10", [{"introduced": "1.9"}, {"fixed": "1.11"}], True),
        ("2.1", [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}], True),
        ("1.7", [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}], False),
        ("1.4", [{"introduced": "1.0"}, {"last_affected": "1.4"}], True),
        ("1.5", [{"introduced": "1.0"}, {"last_affected": "1.4"}], False),
    ],
)
def test_a_version_inside_an_advisorys_range_is_found(version: str, events: list[dict[str, str]], hit: bool) -> None:
    found = audit.check({"foo-bar": version}, [advisory(*events)])
    assert [str(each) for each in found] == ([f"foo-bar {version}: PYSEC-1"] if hit else [])


def test_withdrawn_advisories_and_other_ecosystems_count_for_nothing() -> None:
    everywhere = {"introduced": "0"}
    assert audit.check({"foo-bar": "1"}, [advisory(everywhere, withdrawn="2026-01-01T00:00:00Z")]) == []
    npm = advisory(everywhere)
    npm["affected"][0]["package"]["ecosystem"] = "npm"  # type: ignore[index]
    assert audit.check({"foo-bar": "1"}, [npm]) == []


def test_a_file_of_advisories_is_enough_without_the_internet(tmp_path: Path, capsys) -> None:
    (tmp_path / "pinned.txt").write_text("# ours\nfoo.bar==1.0\nother==2\n")
    (tmp_path / "osv.json").write_text(json.dumps([advisory({"introduced": "0"}, {"fixed": "1.1"})]))
    given = ["--advisories", str(tmp_path / "osv.json"), "--pinned", str(tmp_path / "pinned.txt")]
    assert audit.main(given) == 1
    assert capsys.readouterr().out == "foo-bar 1.0: PYSEC-1\n2 packages checked, 1 findings\n"


def test_a_service_that_cannot_be_reached_is_said_plainly_and_breaks_no_build(monkeypatch, capsys) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "pypi")
    monkeypatch.setattr(audit, "TIMEOUT_S", 5)
    assert audit.main([]) == 0
    assert capsys.readouterr().out.startswith("NOT CHECKED: the advisory service cannot be reached; 1")


def test_every_pin_is_exact() -> None:
    pinned = audit.pins(audit.PINNED)
    assert len(pinned) > 100
    assert pinned["django"].startswith("5.2")
