"""`manage.py make_hospital_key` makes a pair that fits together, and never another over it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from imaging.sealing import OpeningKey
from imaging.sealing.keys import fingerprint, wrap


def test_pair_opens_what_was_sealed_to_it_and_is_kept(tmp_path) -> None:
    folder, said = tmp_path / "keys", [StringIO(), StringIO()]
    call_command("make_hospital_key", str(folder), stdout=said[0])
    seed, public = folder / "hospital.seed", folder / "hospital.pub"
    assert seed.stat().st_mode & 0o777 == 0o600
    wrapped = wrap(public.read_bytes(), bytes(32), b"a test")
    assert OpeningKey(seed.read_bytes()).unwrap(wrapped, b"a test") == bytes(32)
    assert fingerprint(public.read_bytes()) in said[0].getvalue()
    call_command("make_hospital_key", str(folder), stdout=said[1])
    assert said[1].getvalue() == said[0].getvalue()


def test_folder_that_cannot_be_used_gets_one_sentence(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="was not made in"):
        call_command("make_hospital_key", str(tmp_path / "file"), stdout=StringIO())


def test_seed_of_another_length_is_not_taken_for_a_key(tmp_path) -> None:
    (tmp_path / "hospital.seed").write_bytes(b"short")
    with pytest.raises(CommandError, match="32 bytes, not 5"):
        call_command("make_hospital_key", str(tmp_path), stdout=StringIO())
