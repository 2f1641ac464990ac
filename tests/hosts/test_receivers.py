"""A receiver that others wrote is told: it verifies with the library of Standard Webhooks."""

import json
import subprocess
from pathlib import Path

import pytest

from service.demo.place import segue
from tests.hosts.senders import program
from tests.installation import Installation
from tests.running import wait_until

SECONDS = 120
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver(tmp_path):
    """Its address, and the file of what came."""
    where = Path(__file__).parent / "sending" / "receiver.py"
    came = tmp_path / "came"
    with came.open("w") as out, subprocess.Popen([program("python"), str(where), SECRET], stdout=out) as made:
        try:
            wait_until(came.read_text, 30)
            yield f"http://127.0.0.1:{came.read_text().split()[0]}/segue", came
        finally:
            made.terminate()


def test_each_turn_is_verified_by_the_library_and_one_that_was_not_taken_comes_again(tmp_path, receiver):
    url, came = receiver
    made = Installation(tmp_path / "segue").start()
    try:
        made.connect()
        (made.place.home / "secrets" / "hook-ops").write_text(SECRET + "\n")
        segue(made.place, "connect", "webhook", url, "--name", "ops")
        assert made.release_of(made.push(1), SECONDS)["phase"] == "promoted"
        wait_until(lambda: "release.promoted" in came.read_text(), SECONDS)
    finally:
        made.end()
    told = [json.loads(line) for line in came.read_text().splitlines()[1:]]
    (first, again), rest = told[:2], told[2:]
    assert (first[0], again[0]) == (503, 204)
    assert first[1:] == again[1:], "the same id and body"
    assert {status for status, _, _ in rest} == {204}
    turns = [one["type"] for _, _, one in told[1:]]
    assert turns[0] == "release.pending"
    assert turns[-1] == "release.promoted"
    assert len({name for _, name, _ in told[1:]}) == len(turns)
