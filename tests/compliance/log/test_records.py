"""One content, one text."""

from __future__ import annotations

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from compliance.log.records import canonical

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner), max_leaves=8
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES))
def test_records_are_written_as_the_standard_writes_them(record) -> None:
    assert canonical(record).encode() == rfc8785.dumps(record)


@given(st.dictionaries(st.text(st.characters(codec="ascii"), max_size=4), st.text(st.characters(codec="ascii"))))
def test_plain_records_too(record) -> None:
    assert canonical(record).encode() == rfc8785.dumps(record)
