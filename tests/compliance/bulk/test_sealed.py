"""Sealed files give back their lines, and every tampering is seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.bulk import SealedFileAltered, SealedLines, read_lines

KEY = bytes(range(32))
lines_of_text = st.lists(st.binary(max_size=300).map(lambda data: data.replace(b"\n", b" ")), max_size=20)


def sealed(path: Path, lines: list[bytes], key: bytes = KEY) -> Path:
    made = SealedLines(path, key)
    for line in lines:
        made.write(line)
    made.close()
    return path


@given(lines_of_text, st.integers(20, 400))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_come_back_as_they_were(tmp_path: Path, monkeypatch, lines: list[bytes], piece: int) -> None:
    monkeypatch.setattr("compliance.bulk.sealed.PIECE_BYTES", piece)
    assert list(read_lines(sealed(tmp_path / "file", lines), KEY)) == lines


def test_nothing_can_be_read_without_the_key(tmp_path: Path) -> None:
    path = sealed(tmp_path / "file", [b"Ada Byron"])
    assert b"Ada" not in path.read_bytes()
    with pytest.raises(SealedFileAltered):
        list(read_lines(path, bytes(32)))


@pytest.mark.parametrize("change", ["flip", "cut", "swap", "append", "gone"])
def test_tampering_is_seen(change: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("compliance.bulk.sealed.PIECE_BYTES", 100)
    path = sealed(tmp_path / "file", [os.urandom(40).hex().encode() for _ in range(10)])
    data = path.read_bytes()
    piece = 4 + 100 + 16
    changed = {
        "flip": data[:50] + bytes([data[50] ^ 1]) + data[51:],
        "cut": data[: 3 * piece],
        "swap": data[piece : 2 * piece] + data[:piece] + data[2 * piece :],
        "append": data + data[:piece],
        "gone": b"",
    }[change]
    path.write_bytes(changed)
    with pytest.raises(SealedFileAltered):
        list(read_lines(path, KEY))


def test_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    killed = SealedLines(tmp_path / "file", KEY)
    killed.write(b"half")
    assert not (tmp_path / "file").exists()
    killed.discard()
    assert list(tmp_path.iterdir()) == []
