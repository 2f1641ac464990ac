"""A receiver that others wrote is told: it verifies with the library of Standard Webhooks."""

import json
import subprocess
from pathlib import Path

import pytest

from service.adapters.receivers.webhook import Webhook
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.contracts.test_receiver import LATER, NOTICE
from tests.hosts.senders import program
from tests.running import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver(tmp_path):
    """Its address, and the file of what came."""
    where = Path(__file__).parent / "sending" / "receiver.py"
    came = tmp_path / "came"
    with came.open("w") as out, subprocess.Popen([program("python"), str(where), SECRET], stdout=out) as made:
        try:
            wait_until(came.read_text, 60)
            yield f"http://127.0.0.1:{came.read_text().split()[0]}/segue", came
        finally:
            made.terminate()


def test_the_library_verifies_what_is_told_each_time_it_is_sent_and_nothing_of_another_secret(
    tmp_path, receiver
):
    url, came = receiver
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    told = Webhook(Settings(home=tmp_path), Source("ops", "webhook", url))
    (secrets / "hook-ops").write_text(f"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n{SECRET}\n")
    with pytest.raises(Retry):
        told.tell(NOTICE)  # the first that comes is answered 503
    told.tell(NOTICE)
    told.tell(LATER)
    (secrets / "hook-ops").write_text("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
    with pytest.raises(Refused, match="401"):
        told.tell(LATER)
    first, again, later, forged = (json.loads(line) for line in came.read_text().splitlines()[1:])
    assert [one[0] for one in (first, again, later, forged)] == [503, 204, 204, 401]
    assert first[1:] == again[1:], "the same id and body"
    assert (again[2]["type"], later[2]["type"], forged[2]) == ("release.starting", "release.promoted", None)
    assert later[1] == forged[1] != again[1]
