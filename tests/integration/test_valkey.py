"""Valkey as a real process, as Celery's transport meets it."""

import pytest
from kombu import Connection

from service.adapters.valkey import ValkeyDaemon
from service.settings import Settings
from tests.running import Daemon


@pytest.fixture(params=["short", "d" * 60 + "/" + "e" * 60, "with a space"])
def home(request, tmp_path):
    return tmp_path / request.param


@pytest.fixture
def valkey(home):
    running = Daemon(ValkeyDaemon.open(Settings(home=home))).start()
    yield running
    running.kill()
    link = running.daemon._socket().parent
    if link.is_symlink():  # the short name of a folder that lies too deep
        link.unlink()


def test_a_message_outlives_a_broker_that_was_killed(valkey):
    url = valkey.daemon.url()
    with Connection(url) as connection:
        connection.SimpleQueue("work").put({"id": 7})
        connection.default_channel.client.execute_command("WAITAOF", 1, 0, 5000)
    valkey.kill()
    assert not valkey.daemon.ready()
    valkey.start()
    with Connection(url) as connection:
        message = connection.SimpleQueue("work").get(timeout=5)
        message.ack()
    assert message.payload == {"id": 7}


def test_it_listens_on_no_port_and_throws_nothing_away(valkey):
    with Connection(valkey.daemon.url()) as connection:
        client = connection.default_channel.client
        assert client.config_get("port", "maxmemory-policy", "appendfsync") == {
            "port": "0",
            "maxmemory-policy": "noeviction",
            "appendfsync": "everysec",
        }


def test_the_order_is_the_same_again(valkey):
    assert valkey.daemon.order() == valkey.daemon.order()
