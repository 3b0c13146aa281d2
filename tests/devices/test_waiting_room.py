"""The room in which those wait who have not said who they are."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest

from devices import consumers
from devices.waiting_room import WaitingRoom


class Guest:
    def __init__(self) -> None:
        self.gone = False

    def crowded_out(self) -> None:
        self.gone = True


def test_the_one_that_waited_longest_makes_room_and_only_that_one() -> None:
    room, guests = WaitingRoom(2), [Guest() for _ in range(4)]
    for guest in guests:
        room.enter(guest)
    assert [guest.gone for guest in guests] == [True, True, False, False]
    assert len(room) == 2


def test_who_was_heard_takes_no_room() -> None:
    room, guests = WaitingRoom(2), [Guest() for _ in range(3)]
    room.enter(guests[0])
    room.leave(guests[0])
    for guest in guests[1:]:
        room.enter(guest)
    assert not any(guest.gone for guest in guests)


def test_to_leave_twice_is_no_mistake() -> None:
    room, guest = WaitingRoom(1), Guest()
    room.enter(guest)
    room.leave(guest)
    room.leave(guest)
    assert len(room) == 0


async def test_a_gateway_whose_time_is_just_up_is_in_no_newcomers_way() -> None:
    hello = {"type": "websocket.receive", "text": "hello"}

    async def receive() -> dict[str, Any]:
        return hello

    late, newcomer = (consumers.GatewaySocket(receive, mock.AsyncMock(), mock.Mock()) for _ in range(2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0) as late._patience:
            await asyncio.Event().wait()
    with mock.patch.object(consumers, "unproven", room := WaitingRoom(1)):
        room.enter(late)
        assert await newcomer._hear_hello() == hello
    assert len(room) == 0
