"""An outsider needs a handful of files and one package; nothing of the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.compliance.verify.house import LOG, WITNESSES, Tree

ROOT = Path(__file__).resolve().parents[3]
NEEDED = ["compliance/__init__.py", *(f"compliance/log/{name}.py" for name in ("__init__", "merkle", "notes"))]
GUARD = """
import sys

class OnlyCryptography:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {"compliance", "cryptography", "cffi", "_cffi_backend"} or top in sys.stdlib_module_names:
            return None
        raise ImportError(f"an outsider does not have {name}")

sys.meta_path.insert(0, OnlyCryptography())
"""


def test_the_verifier_runs_with_its_own_files_and_cryptography_alone(tmp_path) -> None:
    for name in [*NEEDED, *(str(path.relative_to(ROOT)) for path in (ROOT / "compliance/verify").glob("*.py"))]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    (tmp_path / "bundle.json").write_text(json.dumps(Tree(9).bundle([1, 4], 9, old=3)))
    (tmp_path / "keys").write_text("\n".join(signer.verifier.encoded() for signer in (LOG, *WITNESSES)))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "LC_ALL": "C"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )

    assert "an outsider does not have django" in run("-c", "import django").stderr
    good = run("-m", "compliance.verify", "bundle.json", "--keys", "keys")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines()[-1] == "All holds."
    (tmp_path / "report.json").write_text(json.dumps(Tree(5).report()))
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    report = run("-m", "compliance.verify", "report.json", "--keys", "keys", "--pdf", "report.pdf")
    assert (report.returncode, report.stderr, report.stdout.splitlines()[-1]) == (0, "", "All holds.")
    (tmp_path / "report.pdf").write_bytes(b"%PDG")
    assert run("-m", "compliance.verify", "report.json", "--keys", "keys", "--pdf", "report.pdf").returncode == 1
    (tmp_path / "bundle.json").write_text("{")
    bad = run("-m", "compliance.verify", "bundle.json")
    assert (bad.returncode, bad.stderr) == (2, "")
