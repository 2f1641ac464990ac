"""A recorder's users do not wait for a name server, nor fail because it does."""

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver

from service.recorder.resolving import FRESH_SECONDS, Remembering

OLD, NEW = [{"host": "10.0.0.1"}], [{"host": "10.0.0.2"}]


class NameServer(AbstractResolver):
    """Answers what it is told to: addresses, an error, or nothing until it is let go on."""

    def __init__(self):
        self.says, self.asked, self.silent = OLD, 0, asyncio.Event()
        self.silent.set()

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        await self.silent.wait()
        if isinstance(self.says, OSError):
            raise self.says
        return self.says

    async def close(self):
        self.asked = -1


class World:
    """A name server and who remembers what it said, at a time that a test sets."""

    def __init__(self):
        self.now, self.server = 0.0, NameServer()
        self.names = Remembering(self.server, lambda: self.now)

    def ask(self):
        return self.names.resolve("fraud-1.ml.svc", 80)


def world(play):
    """Play it in a loop of its own; nothing it began is left over."""

    async def whole():
        one = World()
        await play(one)
        await one.names.close()

    asyncio.run(whole())


def test_an_answer_is_used_again_while_it_is_fresh():
    async def play(one):
        assert await one.ask() == OLD
        one.server.says, one.now = NEW, FRESH_SECONDS - 0.1
        assert await one.ask() == OLD
        one.now = FRESH_SECONDS
        assert await one.ask() == NEW
        assert one.server.asked == 2

    world(play)


def test_a_name_server_that_fails_takes_no_address_away():
    async def play(one):
        await one.ask()
        one.server.says, one.now = socket.gaierror("try again"), 1000.0
        assert await one.ask() == OLD
        assert await one.ask() == OLD
        one.server.says = NEW
        assert await one.ask() == NEW

    world(play)


def test_a_slow_name_server_is_waited_for_shortly_and_its_answer_is_kept(monkeypatch):
    monkeypatch.setattr("service.recorder.resolving.WAIT_SECONDS", 0.01)

    async def play(one):
        await one.ask()
        one.server.silent.clear()
        one.server.says, one.now = NEW, 1000.0
        assert await asyncio.gather(*(one.ask() for _ in range(5))) == [OLD] * 5
        assert one.server.asked == 2  # one question for all of them
        one.server.silent.set()
        await asyncio.sleep(0)  # whoever was asked answers
        await asyncio.sleep(0)
        assert await one.ask() == NEW
        assert one.server.asked == 2

    world(play)


def test_a_name_that_was_never_known_is_an_error():
    async def play(one):
        one.server.says = socket.gaierror("no such name")
        with pytest.raises(OSError, match="no such name"):
            await one.ask()
        one.server.says = OLD
        assert await one.ask() == OLD

    world(play)


def test_what_is_still_asked_ends_with_it():
    async def play(one):
        one.server.silent.clear()
        asking = asyncio.create_task(one.ask())
        await asyncio.sleep(0)
        await one.names.close()
        with pytest.raises(asyncio.CancelledError):
            await asking

    world(play)
