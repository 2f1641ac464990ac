"""R7 with servers of their own: a Redis or Valkey that forgets everything every two seconds, by a command and by its
death. The store is a PostgreSQL, which has no bell, so hints are all that workers hear before they look by themselves.
"""

import shutil
import threading

import pytest
import redis

from service.demo.traffic import Traffic, request_of
from tests.hosts import brokers
from tests.installation import TARGET, Installation

EVERY = 2.0  # seconds
RELEASES = 2
SECONDS = 240  # that a release may take beside other work on this machine


class Wiping(threading.Thread):
    """Empties the server again and again; `held` is a folder of it that goes with each death."""

    def __init__(self, server, how):
        super().__init__(daemon=True)
        self.server, self.wipe = server, getattr(self, how)
        self.times, self.had, self.stop = 0, 0, threading.Event()

    def run(self):
        while not self.stop.wait(EVERY):
            with redis.Redis.from_url(self.server.url) as client:
                self.had += client.dbsize()
            self.wipe()
            self.times += 1

    def flushed(self):
        with redis.Redis.from_url(self.server.url) as client:
            client.flushall()

    def killed(self):
        """It comes back with nothing that it had written."""
        self.server.kill()
        for path in self.server.folder.iterdir():
            if path.name != "log":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.server.start()


@pytest.fixture
def server(request, tmp_path):
    program = brokers.program(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed; apt install redis-server")
    folder = tmp_path / "broker"
    folder.mkdir()
    made = brokers.Redis(folder, program)
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.mark.parametrize(
    ("server", "how"),
    [
        ("redis", "flushed"),
        ("valkey", "killed"),
        pytest.param("redis", "killed", marks=pytest.mark.whole),
        pytest.param("valkey", "flushed", marks=pytest.mark.whole),
    ],
    indirect=["server"],
)
@pytest.mark.timeout(RELEASES * SECONDS)
def test_every_release_ends_while_the_broker_forgets_everything_all_the_time(server, how, postgres, tmp_path):
    here = Installation(
        tmp_path / "segue", SEGUE_BROKER=server.url, SEGUE_DATABASE=postgres.new_database()
    ).start()
    wiping = Wiping(server, how)
    try:
        here.connect()
        wiping.start()
        phases = [here.release_of(here.push(0), SECONDS)["phase"]]
        users = Traffic(request_of(TARGET, here.router(), "predict", {}), rate=60)
        users.start()
        phases += [here.release_of(here.push(number), SECONDS)["phase"] for number in range(1, RELEASES)]
        users.end()
        assert here.client.events(only_failed=True).page().rows == []
    finally:
        wiping.stop.set()
        wiping.join()
        here.end()
    assert set(phases) == {"promoted"}
    assert wiping.times > 2
    assert wiping.had, "there never was anything to forget"
