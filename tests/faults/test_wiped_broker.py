"""R7: a broker that forgets everything every two seconds, beside the real processes: all releases end."""

import threading
import time

import pytest
import redis

from service.demo.traffic import Traffic, request_of
from tests.faults.harness import scaled, seed_of_this_run, told
from tests.installation import TARGET, Installation

EVERY = 2.0  # seconds


class Wiping(threading.Thread):
    """FLUSHALL, again and again."""

    def __init__(self, socket):
        super().__init__(daemon=True)
        self.broker = redis.Redis(unix_socket_path=str(socket))
        self.times, self.stop = 0, threading.Event()

    def run(self):
        while not self.stop.wait(EVERY):
            self.broker.flushall()
            self.times += 1
        self.broker.close()


@pytest.mark.faults
@pytest.mark.timeout(scaled(600, 3600))
def test_with_a_broker_that_is_wiped_all_the_time_every_release_ends(tmp_path):
    seed, began, count = seed_of_this_run(), time.monotonic(), scaled(2, 50)
    installed = Installation(tmp_path / "segue").start()
    wiping = Wiping(installed.place.home / "valkey" / "valkey.sock")
    try:
        installed.connect()
        wiping.start()
        phases = [installed.release_of(installed.push(0), 120)["phase"]]
        users = Traffic(request_of(TARGET, installed.router(), "predict", {}), rate=60)
        users.start()
        phases += [installed.release_of(installed.push(n), 240)["phase"] for n in range(1, count)]
        users.end()
    finally:
        wiping.stop.set()
        wiping.join()
        installed.end()
    told(
        "wiped broker",
        seed=seed,
        seconds=round(time.monotonic() - began),
        wiped=wiping.times,
        releases=phases,
    )
    assert set(phases) == {"promoted"}
    assert wiping.times > 2
