"""What may be written on the label of a device or gateway."""

from __future__ import annotations

import pytest

from devices.provisioning.labels import LONGEST_NAME, LONGEST_SERIAL, LabelRefused, name_of, serial_of


@pytest.mark.parametrize("text", ["7", "CGM-4711", " S/N 12:3+4_5.6 ", "A" * LONGEST_SERIAL])
def test_serial_numbers_as_makers_print_them_are_taken_without_the_blanks_around(text: str) -> None:
    assert serial_of(text) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "  ", "-7", "7-", "=1+1", "A\tB", "CGM\u00a07", "<b>", "A" * (LONGEST_SERIAL + 1)]
)
def test_what_is_no_serial_number_is_refused_with_what_to_mend(text: str) -> None:
    with pytest.raises(LabelRefused) as refused:
        serial_of(text)
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("text", ["Ward 1 north", "Zimmer 3, Tür", "病房 2"])
def test_names_are_in_any_language(text: str) -> None:
    assert name_of(f" {text} ", of="gateway") == text


@pytest.mark.parametrize("text", ["", "=cmd()", "@home", "A\nB", "\u202eAB", "A" * (LONGEST_NAME + 1)])
def test_a_name_that_a_spreadsheet_would_run_or_a_page_would_break_on_is_refused(text: str) -> None:
    with pytest.raises(LabelRefused):
        name_of(text, of="gateway")
