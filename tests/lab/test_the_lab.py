"""The lab stays shut: nothing of the product reaches it, neither by import nor by configuration; its table is true."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from setuptools import find_packages

from tests.devices.gateway.conftest import write_config  # noqa: F401 a fixture
from tests.lab.table import ATTACKS, as_markdown, slug
from tests.ports import claim_port

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("twin", "imaging", "devices", "compliance")
PAGE = ROOT / "docs" / "wire-protocol.md"


def _imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_no_module_of_the_product_imports_or_names_it() -> None:
    modules = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 500
    for path in modules:
        assert not {name for name in _imported(path) if name.split(".")[0] in ("tests", "benchmarks")}, path
        assert "tests.lab" not in path.read_text(), path


def test_it_is_no_part_of_what_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = find_packages(str(ROOT), include=project["tool"]["setuptools"]["packages"]["find"]["include"])
    assert {name.split(".")[0] for name in found} == set(PRODUCT)


@pytest.mark.process
@pytest.mark.parametrize("entry", ["tests.lab.pumps:FobPump", "tests.lab.link:TrustingServer"])
def test_a_gateway_whose_configuration_names_it_does_not_start(
    write_config: Callable[..., Path],  # noqa: F811
    entry: str,
) -> None:
    command = [sys.executable, "-m", "devices.gateway", "--config", str(write_config(entry=entry))]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode != 0
    assert "The lab opens for its tests alone" in ended.stderr


def test_the_table_of_the_documentation_is_the_suite() -> None:
    assert as_markdown() in PAGE.read_text(), "print(as_markdown()) is what the page has to hold"


def test_every_event_of_the_table_stands_among_what_is_refused() -> None:
    pages = (PAGE, PAGE.with_name("bluetooth.md"))
    refused = "".join(page.read_text().split("## What is refused, and as what")[1].split("\n## ")[0] for page in pages)
    assert {attack.event for attack in ATTACKS if f"`{attack.event}`" not in refused} == set()


def test_attacks_have_names_of_their_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len({slug(attack) for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.process
def test_the_receiver_that_believes_everybody_serves_no_house(tmp_path: Path) -> None:
    environment = os.environ | {"MEDTWIN_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "tests.vulnerable", str(claim_port())]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode != 0
    assert "this receiver believes everybody: it serves no house" in ended.stderr


def test_the_receiver_listens_to_nobody_but_its_own_machine() -> None:
    assert "interface=127.0.0.1:" in (ROOT / "tests" / "vulnerable.py").read_text()
