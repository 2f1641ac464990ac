"""What every source of a fetched calendar does: one suite for memory and for a server over real HTTP."""

import hashlib

import pytest

from service.adapters import calendar_server
from service.adapters.calendar_server import WebCalendar
from service.adapters.memory.calendar import MemoryCalendar
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.misbehaving import Misbehaving, answer, drip, half, hang, reset

FIRST, SECOND = b"BEGIN:VCALENDAR\nfirst\nEND:VCALENDAR\n", b"BEGIN:VCALENDAR\nsecond\nEND:VCALENDAR\n"


class Memory:
    """In memory."""

    def __init__(self, _folder):
        self.source = MemoryCalendar()

    def holds(self, data):
        self.source.data = data

    def away(self):
        self.source.fails = Retry("it is away")

    def close(self):
        """Nothing runs."""


class Web:
    """A program that serves a file with an `ETag`."""

    def __init__(self, _folder):
        self.data, self.server = b"", Misbehaving().__enter__()
        self.server.does(self.serve)
        self.source = WebCalendar("ops", f"{self.server.url}/private-abc/ops.ics")

    def serve(self, handler):
        mark = f'"{hashlib.sha256(self.data).hexdigest()}"'
        known = handler.headers.get("If-None-Match") == mark
        answer("" if known else self.data.decode(), 304 if known else 200, ETag=mark)(handler)

    def holds(self, data):
        self.data = data

    def away(self):
        self.server.does(reset)

    def close(self):
        self.server.__exit__()


@pytest.fixture(params=[Memory, Web])
def world(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.close()


def test_what_has_changed_is_fetched_and_nothing_else(world):
    world.holds(FIRST)
    first = world.source.fetch("")
    assert first.data == FIRST
    assert world.source.fetch(first.mark) is None
    world.holds(SECOND)
    assert world.source.fetch(first.mark).data == SECOND


def test_one_that_is_away_is_to_be_asked_again(world):
    world.holds(FIRST)
    world.away()
    with pytest.raises(Retry):
        world.source.fetch("")


# --- over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def server():
    with Misbehaving() as made:
        yield made


def fetched(server):
    return WebCalendar("ops", f"{server.url}/private-abc/ops.ics").fetch("")


@pytest.mark.parametrize(
    "step",
    [
        answer("no", 404),
        answer("no", 503),
        answer("", 304),
        answer("", 302, Location="/elsewhere"),
        reset,
        half,
    ],
)
def test_no_file_is_no_answer_and_the_address_is_told_to_nobody(server, step):
    server.does(step)
    with pytest.raises(Retry) as told:
        fetched(server)
    assert "ops" in str(told.value)
    assert "private-abc" not in str(told.value)
    assert [path for _, path, *_ in server.asked] == ["/private-abc/ops.ics"]


@pytest.mark.parametrize("step", [hang, drip])
def test_an_answer_without_an_end_is_given_up(server, monkeypatch, step):
    monkeypatch.setattr(calendar_server, "SECONDS", 0.3)
    server.does(step)
    with pytest.raises(Retry):
        fetched(server)


def test_a_file_without_an_end_is_refused(server):
    server.does(answer("x" * (calendar_server.LARGEST + 1)))
    with pytest.raises(Refused, match="more than 1048576 bytes"):
        fetched(server)


def test_a_place_where_nobody_is_asked_anything_is_not_gone_to():
    with pytest.raises((Refused, Retry)):
        WebCalendar("ops", "https://169.254.169.254/latest/meta-data").fetch("")


def test_the_address_may_be_a_secret_and_must_be_one_over_tls(tmp_path):
    settings = Settings(home=tmp_path, calendars=(("ops", ""),))
    (tmp_path / "secrets").mkdir()
    for text in (b"", b"http://calendar.example/ops.ics", b"nonsense", b"https://[", b"\xff"):
        (tmp_path / "secrets" / "calendar-ops").write_bytes(text)
        with pytest.raises(Refused, match="the secret file calendar-ops") as told:
            WebCalendar.open(settings, "ops")
        assert "calendar.example/" not in str(told.value)
    (tmp_path / "secrets" / "calendar-ops").write_text("https://calendar.example/private/ops.ics\n")
    WebCalendar.open(settings, "ops")
