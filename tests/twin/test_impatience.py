"""A request arrives within reason or its connection ends; in a crowd the one that has waited longest makes room."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from compliance.errors import DomainError
from devices.waiting_room import WaitingRoom
from twin.impatience import GRACE_S, ImpatientChannel

IDLE_S = 60.0  # Twisted's own
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Line:
    """A connection on a clock that stands still, and what was noted of it."""

    def __init__(self, clock: Clock, room: WaitingRoom, leaving: WaitingRoom) -> None:
        self.transport, self.noted = StringTransport(), list[str]()
        self.channel = ImpatientChannel()
        self.channel.room, self.channel.leaving = room, leaving
        self.channel.note = self._note
        self.channel.callLater, self.channel.seconds = clock.callLater, clock.seconds
        self.channel.timeOut = IDLE_S
        self.channel.makeConnection(self.transport)

    def _note(self, error: DomainError) -> None:
        self.noted.append(error.code)

    def answer(self, size: int, request: bytes = WHOLE) -> None:
        """Ask for so many bytes, of which the client has read none when all are written."""
        self.channel.dataReceived(request)
        (asked,) = self.channel.requests
        self.channel.pauseProducing()  # as a transport does whose buffer is full
        asked.write(b"x" * size)
        asked.finish()

    @property
    def cut(self) -> bool:
        return bool(self.transport.disconnected)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line(clock: Clock) -> Callable[[], Line]:
    room, leaving = WaitingRoom(3), WaitingRoom(3)
    return lambda: Line(clock, room, leaving)


def test_a_byte_a_second_does_not_hold_a_connection(clock: Clock, line: Callable[[], Line]) -> None:
    slow = line()
    for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * int(GRACE_S):
        if slow.cut:
            break
        slow.channel.dataReceived(bytes([byte]))
        clock.advance(1.0)
    assert slow.cut
    assert slow.noted == ["connection_too_slow"]
    assert clock.seconds() <= GRACE_S + 1.0


def test_a_large_body_on_a_slow_line_arrives_whole(clock: Clock, line: Callable[[], Line]) -> None:
    slow = line()
    pieces = 45  # below 100,000 bytes Twisted needs no file
    slow.channel.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2000 * pieces))
    for _ in range(pieces):
        clock.advance(1.9)
        slow.channel.dataReceived(b"x" * 2000)
    assert clock.seconds() > 8 * GRACE_S
    assert (slow.cut, slow.noted) == (False, [])


def test_a_body_that_trickles_ends_like_a_head(clock: Clock, line: Callable[[], Line]) -> None:
    slow = line()
    slow.channel.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n")
    for _ in range(30):
        clock.advance(1.0)
        if not slow.cut:
            slow.channel.dataReceived(b"x")
    assert slow.noted == ["connection_too_slow"]


def test_an_answer_may_take_as_long_as_it_takes(clock: Clock, line: Callable[[], Line]) -> None:
    patient = line()
    patient.channel.dataReceived(WHOLE)
    clock.advance(10 * GRACE_S)
    assert (patient.cut, patient.noted) == (False, [])


def test_who_has_said_nothing_yet_is_no_attacker(clock: Clock, line: Callable[[], Line]) -> None:
    """Browsers open connections in advance."""
    early = line()
    clock.advance(3 * GRACE_S)
    assert (early.cut, early.noted) == (False, [])


def test_in_a_crowd_the_one_that_waited_longest_makes_room(line: Callable[[], Line]) -> None:
    first, *others = (line() for _ in range(4))
    assert (first.cut, first.noted) == (True, ["connection_crowded_out"])
    assert [one.cut for one in others] == [False, False, False]


def test_who_is_being_answered_is_in_nobodys_way(line: Callable[[], Line]) -> None:
    heard = line()
    heard.channel.dataReceived(WHOLE)
    crowd = [line() for _ in range(4)]
    assert not heard.cut
    assert crowd[0].cut


def test_who_reads_slowly_is_in_nobodys_way(line: Callable[[], Line]) -> None:
    slow = line()
    slow.answer(1_000_000)
    crowd = [line() for _ in range(5)]
    assert (slow.cut, slow.noted) == (False, [])
    assert [one.cut for one in crowd] == [True, True, False, False, False]


def test_who_has_read_its_answer_waits_again_like_others(line: Callable[[], Line]) -> None:
    slow = line()
    slow.answer(1_000_000)
    slow.channel.resumeProducing()
    assert not slow.cut
    for _ in range(3):
        line()
    assert slow.noted == ["connection_crowded_out"]


@pytest.mark.parametrize("request_", [WHOLE, LAST], ids=["kept alive", "the last"])
def test_an_answer_may_take_as_long_to_leave_as_its_bytes_need_and_no_longer(
    clock: Clock, line: Callable[[], Line], request_: bytes
) -> None:
    slow = line()
    slow.answer(600_000, request_)
    clock.pump([1.0] * 590)
    assert not slow.cut
    clock.pump([1.0] * 120)
    assert slow.cut


def test_among_those_that_read_slowly_the_longest_makes_room(line: Callable[[], Line]) -> None:
    slow = [line() for _ in range(3)]
    for one in slow:
        one.answer(1_000_000)
    line().answer(1_000_000)
    assert [one.cut for one in slow] == [True, False, False]


def test_an_upload_that_comes_is_not_silent_longest(line: Callable[[], Line]) -> None:
    upload = line()
    upload.channel.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
    silent = [line() for _ in range(2)]
    upload.channel.dataReceived(b"x" * 1000)
    newcomer = line()
    assert [one.cut for one in (upload, *silent, newcomer)] == [False, True, False, False]


def test_who_left_makes_room_by_that(line: Callable[[], Line]) -> None:
    gone = line()
    gone.channel.connectionLost(None)
    others = [line() for _ in range(3)]
    assert [one.cut for one in others] == [False, False, False]


class Loop(Clock):
    """A reactor that has no threads."""

    def callInThread(self, work: Callable[[], None]) -> None:
        work()

    callFromThread = callInThread  # noqa: N815


@pytest.mark.django_db(transaction=True)
def test_what_was_noted_is_one_event_that_counts_even_if_the_database_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import DatabaseError

    from compliance.models import Event, EventCategory
    from devices.services.refusals import Refusals
    from twin.connection_notes import Notes
    from twin.errors import ConnectionTooSlow

    def away(*_: object) -> None:
        raise DatabaseError("away")

    loop = Loop()
    notes = Notes(loop)
    for _ in range(5):
        notes.note(ConnectionTooSlow())
    with monkeypatch.context() as patched:
        patched.setattr(Refusals, "_record", staticmethod(away))
        loop.advance(1.0)
    loop.advance(1.0)
    event = Event.objects.get(code="connection_too_slow")
    assert (event.count, event.category) == (5, EventCategory.SECURITY)
