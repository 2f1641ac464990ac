"""Redis, Valkey and RabbitMQ as real servers: a hint arrives once acknowledged, and without them all goes on.

The store is a PostgreSQL, which has no bell: there the broker is what workers hear of work by.
"""

import shutil
import tempfile
import time
from pathlib import Path

import pytest
from kombu import Connection, Queue
from kombu.exceptions import OperationalError

from service import tasks
from tests.conftest import Postgres, _unprivileged, postgres_programs
from tests.hosts import brokers
from tests.installation import Installation
from tests.running import wait_until

KINDS = {"redis": brokers.Redis, "valkey": brokers.Redis, "rabbitmq": brokers.RabbitMQ}


@pytest.fixture(scope="module")
def postgres():
    server = Postgres(postgres_programs(), _unprivileged())
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=KINDS)
def broker(request):
    program = brokers.program(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed; apt install redis-server rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="segue-broker-"))  # RabbitMQ's runs as a user of its own
    server = KINDS[request.param](folder, program)
    try:
        yield server.start()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def connected(url):
    """Wait until the broker has taken a login, which comes after its port."""

    def answers():
        try:
            with Connection(url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1)
        except Exception:  # noqa: BLE001  each transport has errors of its own
            return False
        return True

    wait_until(answers, 120)


def test_a_hint_is_one_number_and_a_broker_that_is_away_is_no_trouble_but_for_whoever_hints(broker):
    connected(broker.url)
    app = tasks.create_app(broker.url)
    tasks.hint(app, "urgent", 7)
    kind = {"x-queue-type": "quorum"} if isinstance(broker, brokers.RabbitMQ) else None
    with Connection(broker.url) as connection:
        message = connection.SimpleQueue(Queue("urgent", queue_arguments=kind)).get(timeout=30)
        arguments, named, _ = message.payload
        message.ack()
    assert (arguments, named) == ([7], {})
    broker.kill()
    with pytest.raises((OperationalError, OSError)):
        tasks.hint(app, "urgent", 8)


def test_a_hint_that_the_broker_does_not_confirm_is_no_hint_and_holds_nobody_up_for_good(broker):
    """It stands still with its connections open: what is written to it would be taken for sent else."""
    connected(broker.url)
    app = tasks.create_app(broker.url)
    tasks.hint(app, "urgent", 7)
    with broker.standing_still(), pytest.raises((OperationalError, OSError)):
        tasks.hint(app, "urgent", 8)
    connected(broker.url)
    tasks.hint(app, "urgent", 9)


@pytest.mark.parametrize("broker", ["redis", "valkey"], indirect=True)
def test_a_hint_outlives_a_server_that_was_killed_and_writes_its_log(broker):
    connected(broker.url)
    tasks.hint(tasks.create_app(broker.url), "urgent", 7)
    with Connection(broker.url) as connection:
        connection.default_channel.client.execute_command("CONFIG", "SET", "appendfsync", "always")
        tasks.hint(tasks.create_app(broker.url), "urgent", 8)
    broker.kill()
    broker.start()
    connected(broker.url)
    with Connection(broker.url) as connection:
        queue = connection.SimpleQueue("urgent")
        found = [queue.get(timeout=30).payload[0] for _ in range(2)]
    assert found == [[7], [8]]


def on_its_way(place, number):
    """Push another version; the name of its release once it has begun."""
    commit = place.push(number)
    wait_until(lambda: place.releases(commit), 120)
    return place.releases(commit)[0]["name"]


def promoted(place, name):
    """Let it take traffic; there are no requests, so no evidence: a person goes on."""
    wait_until(lambda: place.client.release(name)["release"]["phase"] in {"shifting", "watching"}, 120)
    while not (release := place.client.release(name)["release"])["final"]:
        place.client.command("promote", name)
        time.sleep(0.5)
    return release["phase"] == "promoted"


def test_a_release_ends_with_the_broker_beside_one_that_stands_still_and_without_one_that_was_killed(
    broker, postgres, tmp_path
):
    connected(broker.url)
    place = Installation(
        tmp_path / "segue", SEGUE_BROKER=broker.url, SEGUE_DATABASE=postgres.new_database()
    ).start()
    try:
        place.connect()
        assert place.release_of(place.push(1), 180)["phase"] == "promoted"
        second = on_its_way(place, 2)
        with broker.standing_still():
            assert promoted(place, second)
            third = on_its_way(place, 3)
        broker.kill()
        assert promoted(place, third)
        broker.start()
        connected(broker.url)
        on_its_way(place, 4)
    finally:
        place.end()
