"""S8: twenty secrets are planted where secrets come in; after a whole run none is anywhere but in its file."""

import contextlib
import http.client
import http.server
import secrets
import threading
import time
from pathlib import Path

import pytest

from service.demo.place import CommandFailed, segue
from tests.faults.harness import seed_of_this_run, told
from tests.installation import Installation

LEAST = 20
READ = ("releases", "targets", "sources", "models", "events", "record")


class Host(http.server.ThreadingHTTPServer):
    """A Git host and an image registry that know no login."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Refusing)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.headers.get("Authorization", ""))
        # It says back what it was told, as some do in their errors.
        body = f"no such login: {self.headers.get('Authorization', '')}".encode()
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=x")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


class Arguments(threading.Thread):
    """Reads the arguments of every process that there is, again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.stop = set(), threading.Event()

    def run(self):
        while not self.stop.wait(0.02):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(place.read_bytes())


@pytest.fixture
def installed(tmp_path):
    made = Installation(tmp_path / "segue").start()
    try:
        made.connect()
        yield made
    finally:
        made.end()


@pytest.fixture
def host():
    server = Host()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_no_planted_secret_is_found_anywhere_after_whole_runs(installed, host):
    seed, printed, watching = seed_of_this_run(), [], Arguments()
    watching.start()
    home = installed.place.home
    planted = {}
    _connect(installed, host, planted, printed)
    _knock(installed, planted)
    assert installed.release_of(installed.push(1))["phase"] == "promoted"
    assert installed.release_of(installed.push(2, quality=0.1))["phase"] == "refused"
    planted |= _kept(home)
    time.sleep(5)  # two sweeps of all sources
    printed += _read(installed)
    watching.stop.set()
    watching.join()
    places = {
        "a file": [f.read_bytes() for f in _files(installed.place.root)],
        "arguments": [one for one in watching.seen if b"\0connect\0" not in one],
        "an answer": [text.encode() for text in printed],
    }
    found = {
        (name, place)
        for name, secret in planted.items()
        for place, contents in places.items()
        if any(secret in content for content in contents)
    }
    told(
        "planted secrets",
        seed=seed,
        planted=len(planted),
        files=len(places["a file"]),
        arguments=len(places["arguments"]),
        answers=len(printed),
        found=sorted(found) or 0,
    )
    assert found == set()
    assert len(planted) >= LEAST
    assert len(places["a file"]) > 10
    assert any(host.asked), "nobody used a login"


def test_the_search_finds_what_is_there(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "intake.log").write_text("a secret-of-ours")
    assert any(b"secret-of-ours" in file.read_bytes() for file in _files(tmp_path))


def _new():
    return f"planted-{secrets.token_hex(16)}"


def _connect(installed, host, planted, printed):
    """Sources with logins, and addresses with logins in them, which are refused."""
    address, folder = f"http://127.0.0.1:{host.server_port}", installed.place.home / "secrets"
    for name in ("login-forge", "login-images", "login-lab"):
        planted[name] = (secret := _new()).encode()
        (folder / name).write_text(f"robot:{secret}" if name == "login-images" else secret)
    for words in (
        ("gitea", f"{address}/acme/models", "--name", "forge"),
        ("gitlab", f"{address}/acme/models", "--name", "lab"),
        ("registry", address, "--name", "images"),
        ("alertmanager", "--name", "alerts"),
        ("hook", "--name", "sender"),
        ("cloudevents", "--name", "events"),
    ):
        printed.append(_type(installed, "connect", *words))
    for kind, path in (
        ("gitea", "/acme/models"),
        ("github", "/acme/models"),
        ("registry", ""),
        ("mlflow", ""),
    ):
        secret = planted[f"password in an address of {kind}"] = _new().encode()
        url = f"http://robot:{secret.decode()}@127.0.0.1:{host.server_port}{path}"
        printed.append(_type(installed, "connect", kind, url, "--name", f"bad-{kind}"))


def _type(installed, *words):
    try:
        return segue(installed.place, *words)
    except CommandFailed as reason:
        # The command itself stands before what was printed.
        return str(reason).partition(": ")[2]


def _knock(installed, planted):
    """Requests with secrets where senders put them, right or wrong."""
    chosen = installed.settings
    tries = [
        ("intake", "/hooks/models", "X-Gitlab-Token"),
        ("intake", "/hooks/models", "Authorization"),
        ("intake", "/hooks/alerts", "Authorization"),
        ("intake", "/hooks/sender", "Cookie"),
        ("intake", "/hooks/sender", "X-Api-Key"),
        ("intake", "/hooks/nobody", "Proxy-Authorization"),
        ("intake", "/api/v1/commands", "Authorization"),
        ("web", "/api/v1/releases", "Authorization"),
        ("intake", "/hooks/models?token=", ""),
        ("web", "/api/v1/releases?access_token=", ""),
    ]
    for process, path, header in tries:
        secret = _new()
        planted[f"{header or 'a query'} for {path}"] = secret.encode()
        port = chosen.intake_port if process == "intake" else chosen.web_port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(
            "POST" if process == "intake" else "GET",
            path if header else path + secret,
            b"{}",
            {header: f"Bearer {secret}"} if header else {},
        )
        assert connection.getresponse().status in {401, 404, 400}, path
        connection.close()


def _kept(home):
    """Everything below `secrets`, which is where it belongs; of a key the middle of its text."""
    found = {}
    for file in (home / "secrets").iterdir():
        text = file.read_bytes().strip()
        if b"PRIVATE KEY" in text:
            text = text.splitlines()[1]
        if not file.name.endswith(".pub"):
            found[f"file {file.name}"] = text.partition(b":")[2] or text
    return found


def _files(root):
    """All files but those that secrets are kept in: a repository's hook has its own beside it."""
    files = [file for file in root.rglob("*") if file.is_file() and ".git" not in file.parts]
    kept = [file for file in files if file.name == "segue.secret"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in kept)
    return [file for file in files if file not in kept and "secrets" not in file.relative_to(root).parts]


def _read(installed):
    """What the API and the command line say of everything."""
    said = [str(list(getattr(installed.client, what)())) for what in READ]
    commands = ("doctor", "show", "events", "sources", "status")
    return [*said, *(_type(installed, command) for command in commands)]
