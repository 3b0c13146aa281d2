"""A file of many gateways and devices, read without a registry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.protocol.suites import Suite
from devices.provisioning.sheet import COLUMNS, EXAMPLE, MOST_CHARACTERS, MOST_ROWS, Row, read_sheet

HEAD = "kind,gateway,serial,label,ward,link,cipher,patient\n"


def only(line: str) -> Row:
    (row,) = read_sheet(HEAD + line).rows
    return row


def test_the_example_of_the_page_has_nothing_wrong() -> None:
    sheet = read_sheet(EXAMPLE)
    assert [(row.kind, row.name, row.wrong) for row in sheet.rows] == [
        ("gateway", "Ward 1 north", ()),
        ("cgm", "CGM-4711", ()),
        ("infusion_pump", "PUMP-0042", ()),
    ]
    assert [row.line for row in sheet.rows] == [2, 3, 4]
    assert [row.suite for row in sheet.rows][1:] == [Suite.ASCON_AEAD128, Suite.AES_128_GCM]


def test_a_line_that_ends_early_is_told_what_it_lacks() -> None:
    (row,) = read_sheet("gateway,kind\nNorth\n").rows
    assert row.wrong


def test_what_is_no_text_is_refused_whole() -> None:
    assert read_sheet(HEAD + "cgm,North,CGM\0-1,,,,,\n").wrong == "The file is no text. Save it as CSV once more."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_of_any_spreadsheet_are_read_alike(delimiter: str) -> None:
    text = "\ufeff" + EXAMPLE.replace(",", delimiter).replace("\n", "\r\n") + "\r\n" + delimiter * 7 + "\r\n"
    assert read_sheet(text) == read_sheet(EXAMPLE)


def test_columns_come_in_any_order_and_those_not_needed_may_be_left_out() -> None:
    (row,) = read_sheet("Serial,GATEWAY,kind\nCGM-1,North,CGM\n").rows
    assert (row.kind, row.gateway, row.serial, row.link, row.wrong) == ("cgm", "North", "CGM-1", "ble", ())


def test_a_cell_in_quotes_may_hold_the_delimiter_and_a_line_break_does_not_shift_the_count() -> None:
    sheet = read_sheet(
        'kind,gateway,serial,label\ncgm,North,A1,"By the window, left"\ncgm,North,A2,"two\nlines"\ncgm,N,A3,\n'
    )
    assert sheet.rows[0].label == "By the window, left"
    assert [row.line for row in sheet.rows] == [2, 4, 5]
    assert "control characters" in sheet.rows[1].wrong[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        (HEAD, "nothing else"),
        ("kind,serial\ncgm,1\n", "does not name the column gateway"),
        ("kind,gateway,colour\ncgm,North,red\n", "not known: colour"),
        ("kind,gateway,kind\ncgm,North,cgm\n", "twice: kind"),
        ('kind,gateway\ncgm,"North\n', "cannot be read as a table"),
        (HEAD + "cgm,North,1\n" * (MOST_ROWS + 1), "the most at once"),
        ("x" * (MOST_CHARACTERS + 1), "too long"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_says_how(text: str, says: str) -> None:
    sheet = read_sheet(text)
    assert says in sheet.wrong
    assert sheet.rows == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("toaster,North,T-1", "There is no kind “toaster”"),
        ("cgm,,T-1", "Name the gateway"),
        ("cgm,North,", "Write the serial number"),
        ("cgm,North,=1+1", "begins and ends with a letter"),
        ("cgm,North,T-1,=cmd()", "begins with a letter"),
        ("cgm,North,T-1,,Ward 1", "leave the ward empty"),
        ("cgm,North,T-1,,,lte-m", "The link “lte-m” is not one of ble"),
        ("cgm,North,T-1,,,,rot13", "The cipher “rot13” is not one of ascon-aead128"),
        ("cgm,North,T-1,,,,,,more", "more cells"),
        ("gateway,North", "Name the ward"),
        ("gateway,,,,Ward 1", "Write what people here call the gateway"),
        ("gateway,North,S-1,,Ward 1", "A gateway has no serial"),
        ("gateway,North,,,Ward 1,,,MRN-1", "A gateway has no patient"),
        ("gateway,North,,,Ward 1,ble", "The link “ble” is not one of wifi"),
    ],
)
def test_each_line_says_what_to_mend(line: str, says: str) -> None:
    assert any(says in one for one in only(line).wrong), only(line).wrong


def test_a_line_has_everything_that_is_wrong_with_it_at_once() -> None:
    assert len(only("toaster,,=,,Ward 1,pigeon,rot13").wrong) == 6


def test_the_second_of_two_that_are_alike_names_the_line_of_the_first() -> None:
    sheet = read_sheet(HEAD + "cgm,North,T-1\ngateway,North,,,W\ncgm,North,T-1\ngateway,North,,,W\n")
    assert [row.wrong for row in sheet.rows][:2] == [(), ()]
    assert sheet.rows[2].wrong == ("Line 2 has the same serial number: remove one of the two.",)
    assert sheet.rows[3].wrong == ("Line 3 has the same gateway: remove one of the two.",)


PIECES = [*",;\t\n\r\"' =+-@\0A1é", "kind,gateway,serial\n", "cgm,North,", "gateway", *COLUMNS]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_whatever_is_pasted_is_answered_and_each_row_has_a_line_of_its_own(text: str) -> None:
    sheet = read_sheet(text)
    assert bool(sheet.wrong) != bool(sheet.rows)
    lines = [row.line for row in sheet.rows]
    assert lines == sorted(set(lines))


def test_a_record_number_is_not_in_what_a_row_says_of_itself() -> None:
    assert "MRN-100" not in repr(only("cgm,North,T-1,,,,,MRN-100"))
