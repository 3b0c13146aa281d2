"""Recovery codes survive handwriting and carry more than a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.factors.recovery import ALPHABET, RANDOM_BYTES, SECRET, SYMBOL_BITS, make_code, read_code

random = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(random)
def test_a_code_reads_back_as_it_was_made(source: bytes) -> None:
    code = make_code(source)
    assert read_code(str(code)) == code
    assert read_code(str(code).lower().replace("-", " ")) == code


@given(random)
def test_letters_that_look_like_digits_are_read_as_those(source: bytes) -> None:
    code = make_code(source)
    assert read_code(str(code).replace("1", "l").replace("0", "O")) == code


@given(random, random)
def test_other_bytes_are_another_code(one: bytes, other: bytes) -> None:
    assert (make_code(one) == make_code(other)) == (one == other)


def test_the_hidden_part_has_sixty_bits() -> None:
    assert len(set(ALPHABET)) == 2**SYMBOL_BITS
    assert SECRET * SYMBOL_BITS == 60


@pytest.mark.parametrize("typed", ["", "123456", "AAAA-AAAA-AAAA", "AAAA-AAAA-AAAA-AAA!", "U" * 16, "é" * 16, "A" * 17])
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert read_code(typed) is None
