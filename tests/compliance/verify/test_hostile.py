"""Files made to harm whoever checks them: refused in a sentence, with bounded memory, and never a traceback."""

from __future__ import annotations

import copy
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.verify.__main__ import main
from compliance.verify.canonical import canonical
from tests.compliance.verify.house import LOG, WITNESSES, Tree

ROOT = Path(__file__).resolve().parents[3]
KEYS = "\n".join(signer.verifier.encoded() for signer in (LOG, *WITNESSES))
REPORT = Tree(5).report()


def verified(folder: Path, raw: bytes, capsys=None) -> int:
    (folder / "file").write_bytes(raw)
    (folder / "keys").write_text(KEYS)
    return main([str(folder / "file"), "--keys", str(folder / "keys")])


def test_a_good_report_holds(tmp_path) -> None:
    assert verified(tmp_path, json.dumps(REPORT).encode()) == 0


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'{"a":', b"[", b"0,", b'"ab",', b'""'])
def test_a_short_text_that_would_fill_the_memory_is_refused_before_it_does(tmp_path, piece) -> None:
    """In a process with little memory: what is parsed first and judged later would die there."""
    file = tmp_path / "file"
    file.write_bytes(b'{"format":[' + piece * ((20 << 20) // len(piece)) + b"0]}")
    limit = 700 << 20
    done = subprocess.run(
        [sys.executable, "-m", "compliance.verify", str(file)], cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("Cannot be read: ")
    assert len(done.stdout) < 300


def _places(value, path=()):
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*path, key))


PATHS = list(_places(REPORT))
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(PATHS), ANY)
def test_any_json_in_any_place_of_a_report_is_answered_and_never_raises(tmp_path_factory, path, value) -> None:
    changed = copy.deepcopy(REPORT)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    if json.dumps(holder[path[-1]]) == json.dumps(value):
        return
    holder[path[-1]] = value
    status = verified(tmp_path_factory.getbasetemp(), json.dumps(changed).encode())
    assert status in {1, 2}, (path, value)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_byte_of_a_report_that_is_changed_is_caught(tmp_path_factory, data) -> None:
    raw = bytearray(json.dumps(REPORT, separators=(",", ":")).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    assert verified(tmp_path_factory.getbasetemp(), bytes(raw)) in {1, 2}


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", "2026-13-01T00:00:00+00:00", 7]
)
def test_times_at_the_ends_of_the_calendar_are_refused(tmp_path, at) -> None:
    changed = copy.deepcopy(REPORT)
    changed["report"]["made_at"] = at
    assert verified(tmp_path, json.dumps(changed).encode()) == 2


# --- Canonical JSON with the standard library -------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=9)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_canonical_json_is_that_of_another_implementation(value) -> None:
    import rfc8785

    assert canonical(value).encode() == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"), (1e20, "100000000000000000000"), (1e-7, "1e-7"), (1e-6, "0.000001"), (-0.0, "0"),
        (333333333.33333329, "333333333.3333333"), (4.5, "4.5"), (2e-3, "0.002"), (1e30, "1e+30"), (5e-324, "5e-324"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_standard_writes_them(value, text) -> None:
    """RFC 8785, section 3.2.2.3 and appendix B."""
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {1: 2}, b"x"])
def test_what_has_no_canonical_form_is_refused(value) -> None:
    with pytest.raises(ValueError):
        canonical(value)
