from __future__ import annotations

from devices.telemetry.batch import Span
from devices.telemetry.spans import STEP, SpanBook


def test_a_span_that_is_covered_is_not_stored_again() -> None:
    book = SpanBook()
    book.remember(book.missing([Span(1, 7, 300, 310)]))

    assert book.missing([Span(1, 7, 311, 330), Span(1, 7, STEP, 2 * STEP - 1)]) == []


def test_a_span_is_stored_in_whole_steps_as_soon_as_it_grows_past_what_is_there() -> None:
    book = SpanBook()
    book.remember(book.missing([Span(1, 7, 300, 310)]))

    assert book.missing([Span(1, 7, 500, 515)]) == [Span(1, 7, STEP, 3 * STEP - 1)]
    assert book.missing([Span(1, 7, 255, 256)]) == [Span(1, 7, 0, 2 * STEP - 1)]


def test_other_devices_and_other_times_have_spans_of_their_own() -> None:
    book = SpanBook()
    book.remember(book.missing([Span(1, 7, 300, 310)]))

    assert {span[:2] for span in book.missing([Span(2, 7, 300, 310), Span(1, 8, 300, 310)])} == {(2, 7), (1, 8)}


def test_what_was_not_committed_is_stored_with_the_next_group() -> None:
    book = SpanBook()

    assert book.missing([Span(1, 7, 300, 310)]) == book.missing([Span(1, 7, 300, 310)]) != []


def test_the_highest_number_stays_within_63_bits() -> None:
    assert SpanBook().missing([Span(1, 7, 2**63 - 2, 2**63 - 1)])[0].last == 2**63 - 1
