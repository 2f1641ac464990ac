"""The intake over real HTTP under its real server: stored before acknowledged, and every refusal."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handlers import signing
from policies.roles import OWNER
from service.arrivals.hook_script import install
from service.identity.callers import Caller
from service.intake import Door, create_intake
from service.settings import Settings
from service.store.database import open_database, writing
from service.store.inbox import Delivery, Inbox, KeyUsed
from tests.serving import Served

SECRET = b"a secret of at least thirty-two bytes"


@pytest.fixture
def intake(tmp_path):
    settings = Settings(home=tmp_path, body_bytes=10_000)
    inbox = Inbox.open(settings.store_url("inbox"))
    doors = {"git": Door("bare", (SECRET,)), "bare-no-secret": Door("bare", ())}
    actors = {"Bearer good": Caller("ann", OWNER, ("token:ann",))}
    app = create_intake(settings, inbox, doors.get, actors.get)
    server = Served(app)
    yield server.port, inbox
    server.end()
    inbox.close()


def ask(port: int, method: str, path: str, body: bytes | None = b"", **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data, dict(answer.getheaders())


def push(name: str = "one", at: float | None = None, secret: bytes = SECRET, padding: int = 0):
    body = b'{"pusher": "ann", "changes": [{"ref": "refs/heads/main", "before": "0", "after": "1"}]}'
    body += b" " * padding
    stamp = str(int(at or time.time()))
    signature = signing.sign(secret, f"{name}.{stamp}.".encode() + body)
    return body, {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}


def test_a_signed_delivery_is_stored_and_acknowledged_and_again_as_a_duplicate(intake):
    port, inbox = intake
    body, headers = push()
    status, data, _ = ask(port, "POST", "/hooks/git", body, **headers)
    assert status == 202
    (row,) = inbox.after(0)
    assert (row.source, row.body, str(row.id)) == ("git", body, json.loads(data)["delivery"])
    status, data, _ = ask(port, "POST", "/hooks/git", body, **headers)
    assert (status, json.loads(data)["duplicate"]) == (202, True)
    assert len(inbox.after(0)) == 1


@pytest.mark.parametrize("path", ["/hooks/git", "/hooks/unknown", "/hooks/bare-no-secret"])
def test_an_unknown_source_a_wrong_signature_and_a_source_without_secret_answer_alike(intake, path):
    port, inbox = intake
    body, headers = push(secret=b"another secret")
    status, data, _ = ask(port, "POST", path, body, **headers)
    assert (status, json.loads(data)["detail"]) == (401, "the delivery is not signed by a known source")
    assert inbox.after(0) == []


def test_a_body_too_large_without_length_or_encoded_is_refused_by_name(intake):
    port, _ = intake
    assert ask(port, "POST", "/hooks/git", b"x" * 10_001)[0] == 413
    assert ask(port, "POST", "/hooks/git", b"x", **{"Content-Encoding": "gzip"})[0] == 415
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"POST /hooks/git HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 411 " in raw.recv(1000).split(b"\r\n")[0]


def in_pieces(port: int, body: bytes, headers: dict[str, str]):
    """Send it without saying its length first; the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    pieces = (body[at : at + 700] for at in range(0, len(body), 700))
    connection.request("POST", "/hooks/git", pieces, headers, encode_chunked=True)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_body_in_pieces_is_taken_whole_or_refused_whole(intake):
    port, inbox = intake
    headers = {"Transfer-Encoding": "chunked"}
    body, proof = push(padding=5_000)
    assert in_pieces(port, body, headers | proof) == 202
    (row,) = inbox.after(0)
    assert row.body == body
    body, proof = push("two", padding=20_000)
    assert in_pieces(port, body, headers | proof) == 413
    assert in_pieces(port, body[:10_000], headers | proof) == 401
    assert len(inbox.after(0)) == 1


def test_headers_that_are_no_ascii_are_refused_and_nothing_breaks(intake):
    port, _ = intake
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(
            b"POST /hooks/git HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nwebhook-id: \xe9\r\n"
            b"webhook-timestamp: \xff\r\nwebhook-signature: v1,\xfe\r\n\r\n{}"
        )
        assert b" 401 " in raw.recv(1000).split(b"\r\n")[0]


def test_a_command_needs_a_token_and_is_stored_with_the_tokens_name(intake):
    port, inbox = intake
    body = json.dumps({"verb": "approve", "subject": "rel-1"}).encode()
    assert ask(port, "POST", "/api/v1/commands", body)[0] == 401
    assert ask(port, "POST", "/api/v1/commands", body, Authorization="Bearer bad")[0] == 401
    assert ask(port, "POST", "/api/v1/commands", body, Authorization="Bearer good")[0] == 202
    (row,) = inbox.after(0)
    assert json.loads(row.body)["actor"] == "ann"


def test_a_command_that_is_none_is_refused_with_what_is_allowed(intake):
    port, _ = intake
    for body in (b"[]", b"{", b'{"verb": "fly"}', b'{"verb": "approve", "subject": 3}'):
        assert ask(port, "POST", "/api/v1/commands", body, Authorization="Bearer good")[0] == 400


def test_a_key_that_no_command_has_is_refused_by_name(intake):
    """A digest that is mistyped would bind nothing, and an actor cannot be claimed."""
    port, inbox = intake
    for key in ("digets", "actor", "authority"):
        body = json.dumps({"verb": "approve", "subject": "rel-1", key: "sha256:0123456789ab"}).encode()
        status, data, _ = ask(port, "POST", "/api/v1/commands", body, Authorization="Bearer good")
        assert status == 400
        assert f"`{key}` is no key of a command" in json.loads(data)["detail"]
    assert inbox.newest() == 0


LABELS = {
    "model": "churn",
    "table": "warehouse.labels",
    "labels": [{"request": "r-1", "at": 1_769_868_180, "version": "v", "wrong": True}],
}


def test_true_labels_need_a_token_and_are_stored_once(intake):
    port, inbox = intake
    body = json.dumps(LABELS).encode()
    assert ask(port, "POST", "/api/v1/labels", body)[0] == 401
    for duplicate in (False, True):
        asked = {"Authorization": "Bearer good", "Idempotency-Key": "one"}
        status, data, _ = ask(port, "POST", "/api/v1/labels", body, **asked)
        assert (status, json.loads(data)["duplicate"]) == (202, duplicate)
    (row,) = inbox.after(0)
    assert (row.source, row.body) == ("labels", body)


def test_labels_that_say_nothing_are_refused_with_what_to_write(intake):
    port, inbox = intake
    body = json.dumps({**LABELS, "labels": [{"request": "r-1", "at": "now", "wrong": True}]}).encode()
    status, data, _ = ask(port, "POST", "/api/v1/labels", body, Authorization="Bearer good")
    assert status == 400
    assert "labels[0]: `at` must say when" in json.loads(data)["detail"]
    assert inbox.after(0) == []


def test_slow_bodies_hold_no_thread(intake):
    port, _ = intake
    slow = []
    for _ in range(100):
        raw = socket.create_connection(("127.0.0.1", port))
        raw.sendall(b"POST /hooks/git HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
        slow.append(raw)
    body, headers = push()
    assert ask(port, "POST", "/hooks/git", body, **headers)[0] == 202
    for raw in slow:
        raw.close()


def test_health_readiness_and_metrics_answer(intake):
    port, _ = intake
    assert ask(port, "GET", "/healthz", None)[0] == 200
    assert ask(port, "GET", "/readyz", None)[0] in {200, 503}
    assert b"segue_deliveries" in ask(port, "GET", "/metrics", None)[1]


STORING = """
import sys
from service.arrivals.hook_script import install
from service.store.database import open_database, writing
from service.store.inbox import Delivery, Inbox, KeyUsed
inbox = Inbox.open(sys.argv[1])
for number in range(100_000):
    stored = inbox.store(Delivery("git", str(number), {}, b"x" * 500, 1.0))
    print(stored.id, flush=True)
"""


def test_what_was_acknowledged_is_there_after_kill_9(tmp_path):
    url = Settings(home=tmp_path).store_url("inbox")
    process = subprocess.Popen([sys.executable, "-c", STORING, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    seen += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    process.stdout.close()
    inbox = Inbox.open(url)
    assert {row.id for row in inbox.after(0, limit=100_000)} >= set(seen)
    inbox.close()


FULL = """
import resource, signal, sys
from service.errors import StoreError
from service.arrivals.hook_script import install
from service.store.database import open_database, writing
from service.store.inbox import Delivery, Inbox, KeyUsed
inbox = Inbox.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
kept, refused = [], 0
for number in range(60):
    try:
        kept.append(inbox.store(Delivery("git", str(number), {}, b"x" * 20_000, 1.0)).id)
    except StoreError:
        refused += 1
print(len(kept), refused, *kept)
"""


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_stored(tmp_path):
    url = Settings(home=tmp_path).store_url("inbox")
    done = subprocess.run([sys.executable, "-c", FULL, url], capture_output=True, text=True, check=True)
    kept, refused, *ids = [int(word) for word in done.stdout.split()]
    assert refused > 0
    assert kept == len(ids)
    inbox = Inbox.open(url)
    assert {row.id for row in inbox.after(0)} >= set(ids)
    inbox.close()


def test_a_real_push_reaches_the_intake_by_its_hook(intake, tmp_path):
    port, inbox = intake
    repository, work = tmp_path / "origin.git", tmp_path / "work"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str, cwd: Path = tmp_path) -> None:
        subprocess.run(["git", *words], cwd=cwd, env=environment, check=True, capture_output=True)

    git("init", "--bare", "-b", "main", str(repository))
    install(repository, f"http://127.0.0.1:{port}/hooks/git", SECRET)
    git("clone", str(repository), str(work))
    (work / "a").write_text("a")
    git("add", "a", cwd=work)
    git("-c", "user.name=ann", "-c", "user.email=ann@example.org", "commit", "-m", "a", cwd=work)
    git("push", "origin", "HEAD:main", cwd=work)
    (row,) = inbox.after(0)
    assert json.loads(row.body)["changes"][0]["ref"] == "refs/heads/main"


def test_an_inbox_that_earlier_code_made_keeps_its_rows_and_takes_what_that_code_did_not_know(database_url):
    """It has no migrations: tables that it has not are made, and those that it has stay as they are."""
    inbox = Inbox.open(database_url)
    inbox.store(Delivery("git", "one", {}, b"kept", 1.0))
    inbox.close()
    engine = open_database(database_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE used_key")
    engine.dispose()
    inbox = Inbox.open(database_url)
    assert [row.body for row in inbox.after(0)] == [b"kept"]
    assert inbox.store(Delivery("git", "one", {}, b"kept", 2.0)).duplicate
    inbox.store(Delivery("people", "a key", {}, b"first", 3.0, once=True))
    with pytest.raises(KeyUsed):
        inbox.store(Delivery("people", "a key", {}, b"second", 4.0, once=True))
    inbox.close()


def test_an_old_delivery_may_be_forgotten(tmp_path):
    inbox = Inbox.open(Settings(home=tmp_path).store_url("inbox"))
    inbox.store(Delivery("git", "1", {}, b"x", 1.0))
    inbox.store(Delivery("git", "2", {}, b"x", 9.0))
    assert inbox.forget_before(5.0, taken=99) == 1
    assert [row.delivery_id for row in inbox.after(0)] == ["2"]
    inbox.close()
