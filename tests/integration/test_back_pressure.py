"""A store that cannot write now: over HTTP senders are told 503 and when to come again, and 202 once it can."""

import gc
import http.client
import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from handlers import signing
from service.identity import tokens
from service.intake import Door, create_intake
from service.problems import RETRY_AFTER
from service.settings import Settings
from service.store import database
from service.store.inbox import Inbox
from service.store.store import Store
from tests.serving import Served

SECRET = b"a secret of at least thirty-two bytes"
CHANGES = {"pusher": "ann", "changes": [{"ref": "refs/heads/main", "before": "0", "after": "1"}]}
BODY = json.dumps({**CHANGES, "padding": "x" * 20_000}).encode()


def post(port, path, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


def push(port, name):
    """A signed delivery of that id."""
    stamp = f"{time.time():.0f}"
    signature = signing.sign(SECRET, f"{name}.{stamp}.".encode() + BODY)
    headers = {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}
    return post(port, "/hooks/git", BODY, headers)


def command(port, token, key):
    body = json.dumps({"verb": "abort", "subject": "rel-1"}).encode()
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return post(port, "/api/v1/commands", body, headers)


def assert_later(told):
    """503, when to come again, and why, as problem+json."""
    answer, data = told
    assert answer.status == 503
    assert answer.getheader("Retry-After") == RETRY_AFTER
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert json.loads(data)["status"] == 503


@contextmanager
def served(settings):
    """The intake of an installation with the token of ann, on a port; and her token."""
    store, inbox = Store.open(settings.store_url("engine")), Inbox.open(settings.store_url("inbox"))
    token, doors = tokens.make(store, "ann"), {"git": Door("bare", (SECRET,))}
    app = create_intake(settings, inbox, doors.get, lambda told: tokens.actor(store, told))
    server = Served(app)
    yield server.port, inbox, token
    server.end()
    inbox.close()
    store.close()


def test_a_store_that_may_only_be_read_is_503_with_when_to_come_again(tmp_path):
    with served(Settings(home=tmp_path)) as (port, inbox, token):
        reads_only = "ON"

        @event.listens_for(inbox._engine, "checkout")
        def set_so(connection, *_more):
            connection.execute(f"PRAGMA query_only={reads_only}")

        assert_later(push(port, "one"))
        assert_later(command(port, token, "said"))
        reads_only = "OFF"
        assert inbox.after(0) == []
        assert push(port, "one")[0].status == 202
        assert command(port, token, "said")[0].status == 202
        assert [row.delivery_id for row in inbox.after(0)] == ["one", "ann:said"]


SERVING = """
import resource, signal, sys
import structlog
from pathlib import Path
from service.store import database
from service.store.inbox import Inbox
from service.intake import Door, create_intake
from service.settings import Settings
from tests.serving import Served
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
settings = Settings(home=Path(sys.argv[1]))
inbox = Inbox.open(settings.store_url("inbox"))
doors = {"git": Door("bare", (sys.argv[2].encode(),))}
server = Served(create_intake(settings, inbox, doors.get, lambda _: None))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for line in iter(sys.stdin.readline, ""):  # "full" or "room": what the largest file may be from now on
    most = 400_000 if line == "full\\n" else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    print(server.port, flush=True)
"""


def test_a_full_disk_is_503_with_when_to_come_again_and_every_202_is_stored(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVING, tmp_path, SECRET],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def disk(how):
        print(how, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    try:
        port, told = disk("full"), {}
        for number in range(40):
            answer, data = told[str(number)] = push(port, str(number))
            if answer.status != 202:
                assert_later((answer, data))
        stored = [name for name, (answer, _) in told.items() if answer.status == 202]
        assert 0 < len(stored) < len(told)
        disk("room")
        late = next(name for name in told if name not in stored)
        assert push(port, late)[0].status == 202
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    inbox = Inbox.open(Settings(home=tmp_path).store_url("inbox"))
    assert {row.delivery_id for row in inbox.after(0)} == {*stored, late}
    inbox.close()


@pytest.mark.postgres
def test_a_database_that_is_down_is_503_with_when_to_come_again(tmp_path, postgres):
    settings = Settings(home=tmp_path, database=postgres.new_database())
    with served(settings) as (port, inbox, token):
        assert push(port, "before")[0].status == 202
        postgres.stop()
        try:
            assert_later(push(port, "during"))
            assert_later(command(port, token, "said"))  # whose token it is cannot be asked either
        finally:
            postgres.start()
        assert push(port, "during")[0].status == 202
        assert command(port, token, "said")[0].status == 202
        assert [row.delivery_id for row in inbox.after(0)] == ["before", "during", "ann:said"]


@pytest.mark.postgres
@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_database_that_stands_still_is_503_with_when_to_come_again_and_goes_on(
    tmp_path, postgres, monkeypatch
):
    """As one that a network has lost: nobody closes the connections, and nobody answers."""
    monkeypatch.setattr(database, "SILENT_SECONDS", 1.0)
    settings = Settings(home=tmp_path, database=postgres.new_database())
    with served(settings) as (port, inbox, token):
        assert push(port, "before")[0].status == 202
        with postgres.standing_still():
            for number in range(2):  # on a connection that is open, and on a new one
                assert_later(push(port, f"during-{number}"))
                assert_later(command(port, token, f"said-{number}"))
        assert push(port, "during-0")[0].status == 202
        assert command(port, token, "said-0")[0].status == 202
        kept = {row.delivery_id for row in inbox.after(0)}
        assert kept >= {"before", "during-0", "ann:said-0"}
    gc.collect()  # the driver leaves a socket to it on which nobody answered its greeting
