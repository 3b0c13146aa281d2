"""The documents stay true: what they name exists, and what exists is named."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

ROWS = [
    *(f"D{n:02d}" for n in range(1, 21)),
    *(f"M{n:02d}" for n in range(1, 31)),
    *(f"A{n:02d}" for n in range(1, 5)),
    *(f"I{n:02d}" for n in range(1, 23)),
    *(f"H{n:02d}" for n in range(1, 14)),
    *(f"N{n:02d}" for n in range(1, 13)),
]


def _coverage() -> dict[str, list[str]]:
    """Return the cells of every row of docs/coverage.md: row, what, state, where, test, figure."""
    rows = {}
    for line in (DOCS / "coverage.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 6 and re.fullmatch(r"[DMAIHN]\d\d", cells[0]):
            assert cells[0] not in rows, f"{cells[0]} stands twice"
            rows[cells[0]] = cells
    return rows


def _named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_coverage_has_every_row_once() -> None:
    assert sorted(_coverage()) == sorted(ROWS)


def test_coverage_states_are_known_words() -> None:
    assert {cells[2] for cells in _coverage().values()} <= {"done", "part", "open"}


@pytest.mark.parametrize("row", ROWS)
def test_coverage_names_only_what_exists(row: str) -> None:
    _, _, state, where, tests, figure = _coverage()[row]
    if state == "open":
        assert not _named(tests), "an open row has no test yet; is it part?"
        return
    assert _named(where), "say where it lives"
    assert _named(tests), "say which test shows it"
    for place in _named(where):
        assert (ROOT / place).exists(), place
    for name in _named(tests):
        file, _, function = name.partition("::")
        assert (ROOT / file).is_file(), file
        assert not function or function in _tests_in(ROOT / file), name
    if state == "done":
        assert figure not in {"", "-"}, "a done row has a measured figure"


def _requirement_name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower()


def test_every_dependency_is_named_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {_requirement_name(r) for r in project["dependencies"]}
    for extra in project["optional-dependencies"].values():
        wanted |= {_requirement_name(r) for r in extra}
    named = {name.lower() for name in _named((DOCS / "dependencies.md").read_text())}
    assert wanted - named == set()


def test_every_setting_is_documented() -> None:
    source = (ROOT / "twin" / "settings.py").read_text()
    settings = set(re.findall(r'env\.(?:text|address|flag|integer|words|secret)\(\s*"([A-Z_]+)"', source))
    assert len(settings) > 10
    assert settings - set(_named((DOCS / "operations.md").read_text())) == set()


def test_every_command_is_documented() -> None:
    commands = {p.stem for p in ROOT.glob("*/management/commands/*.py") if p.stem != "__init__"}
    named = " ".join(_named((DOCS / "operations.md").read_text()))
    assert {c for c in commands if c not in named} == set()


def test_every_benchmark_is_documented() -> None:
    folder = ROOT / "benchmarks"
    names = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__main__.py")}
    text = (DOCS / "operations.md").read_text()
    assert {n for n in names - {"__init__"} if f"benchmarks.{n}" not in text} == set()


def test_the_reference_of_devices_is_what_the_tables_say() -> None:
    from devices.kinds.document import as_markdown

    assert (DOCS / "devices.md").read_text() == as_markdown(), "run manage.py document_devices"


def test_every_decision_record_is_listed() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    for record in (DOCS / "decisions").glob("0*.md"):
        assert record.name in index


@pytest.mark.parametrize("document", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_table_of_rights_is_the_policy() -> None:
    from compliance.policy import ACTIONS, Role, house_policy

    policy = house_policy()
    roles = [role for role in Role if role is not Role.NONE]
    actions = sorted(ACTIONS)
    text = (DOCS / "security.md").read_text()
    for action in actions:
        cells = " | ".join(policy.reach(role, action) or "-" for role in roles)
        assert f"| `{action}` | {cells} |" in text, action


SECURITY_PAGES = sorted([DOCS / "security.md", ROOT / "SECURITY.md", *(DOCS / "security").glob("*.md")])


@pytest.mark.parametrize("page", SECURITY_PAGES, ids=lambda page: page.name)
def test_what_the_security_pages_name_exists(page: Path) -> None:
    """A reader who follows a statement must arrive: files, tests and commands."""
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    for name in _named(page.read_text()):
        file, _, function = name.partition("::")
        if re.fullmatch(r"(?:compliance|devices|imaging|twin|tools|tests|static)/[\w./-]+", file):
            assert (ROOT / file).exists(), name
            assert not function or function in _tests_in(ROOT / file), name
        if name.startswith("manage.py "):
            assert name.split()[1] in commands, name


def test_the_asvs_table_names_each_requirement_once() -> None:
    numbers = re.findall(r"(?<![\d.])(\d{1,2}\.\d{1,2}\.\d{1,2})(?![\d.])", (DOCS / "security" / "asvs.md").read_text())
    cited = [number for number in numbers if number != "5.0.0"]
    assert len(cited) > 150
    assert {number for number in cited if cited.count(number) > 1} <= {"4.1.3"}, "4.1.3 is referred to from 15.3.4"
