"""What every place that keeps files keeps: a folder, a server that takes PUT, a branch, and the one in memory."""

import errno
import http.server
import os
import threading

import pytest

from service import archives
from service.adapters.memory.archive import MemoryArchive
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from service.sources import save
from tests.repositories import Repository

NAME, CONTENT = "checkpoint-000000000004-1f0c.json", b'{"size": 4}\n'


class Server(http.server.BaseHTTPRequestHandler):
    """Keeps what is put below /kept by somebody who may; knows conditions."""

    def do_PUT(self):
        self.server.asked.append(dict(self.headers))
        content = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.status
        if status is None and self.path in self.server.files and self.headers.get("If-None-Match") == "*":
            status = 412
        elif status is None:
            self.server.files[self.path] = content
            status = 201
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        body = b"<html>not JSON</html>"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made.files, made.asked, made.status = {}, [], None
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(params=["memory", "folder", "web", "commits"])
def place(request, tmp_path):
    """The archive, and what it keeps by name."""
    if request.param == "memory":
        made = MemoryArchive()
        return made, lambda: made.files
    if request.param == "folder":
        folder = tmp_path / "kept"
        folder.mkdir()
        made = archives.opened(Settings(home=tmp_path), str(folder))
        return made, lambda: {one.name: one.read_bytes() for one in folder.iterdir()}
    if request.param == "web":
        server = request.getfixturevalue("server")
        made = archives.opened(Settings(home=tmp_path), f"http://127.0.0.1:{server.server_port}/kept")
        return made, lambda: {path.removeprefix("/kept/"): body for path, body in server.files.items()}
    repository = Repository(tmp_path / "git")
    repository.commit({"README": b"hello"})
    save(repository.settings.home, (repository.source,))
    made = archives.opened(repository.settings, f"{repository.source.name}:main:kept")
    return made, lambda: committed(repository)


def committed(repository):
    names = repository.git("ls-tree", "--name-only", "main:kept").decode().split()
    return {name: repository.git("show", f"main:kept/{name}", check=False).stdout for name in names}


def test_what_is_put_is_kept_to_the_byte(place):
    archive, kept = place
    archive.put(NAME, CONTENT)
    assert kept() == {NAME: CONTENT}


def test_what_is_kept_stays_whoever_puts_something_else_there(place):
    archive, kept = place
    archive.put(NAME, CONTENT)
    archive.put(NAME, b"{}\n")
    assert kept() == {NAME: CONTENT}


def test_others_lie_beside_it(place):
    archive, kept = place
    archive.put(NAME, CONTENT)
    archive.put("other.json", b"1\n")
    assert kept() == {NAME: CONTENT, "other.json": b"1\n"}


# --- a folder --------------------------------------------------------------------------------


def test_a_folder_that_is_not_mounted_is_waited_for_and_never_made(tmp_path):
    archive = archives.opened(Settings(home=tmp_path), str(tmp_path / "away"))
    with pytest.raises(Retry, match="make or mount it"):
        archive.put(NAME, CONTENT)
    assert not (tmp_path / "away").exists()


def test_a_file_there_is_one_that_nobody_writes_to(tmp_path):
    archives.opened(Settings(home=tmp_path), str(tmp_path)).put(NAME, CONTENT)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_folder_whose_file_system_has_no_hard_links_keeps_as_well(tmp_path, monkeypatch, number):
    def link(*_):
        raise OSError(number, "no hard links")

    monkeypatch.setattr(os, "link", link)
    archive = archives.opened(Settings(home=tmp_path), str(tmp_path))
    for content in (CONTENT, b"{}\n"):
        archive.put(NAME, content)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {NAME: CONTENT}
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o444


# --- a server --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"), [(503, Retry), (429, Retry), (401, Refused), (405, Refused), (307, Refused)]
)
def test_what_a_server_answers_is_told_apart_and_never_followed(server, tmp_path, status, error):
    server.status = status
    archive = archives.opened(Settings(home=tmp_path), f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(error, match=str(status)):
        archive.put(NAME, CONTENT)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("login", "header"), [(b"a-token", "Bearer a-token"), (b"ann:pass", "Basic YW5uOnBhc3M=")]
)
def test_the_login_is_that_of_the_secret_file(server, tmp_path, login, header):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login-archive").write_bytes(login)
    archives.opened(Settings(home=tmp_path), f"http://127.0.0.1:{server.server_port}").put(NAME, CONTENT)
    assert server.asked[0]["Authorization"] == header


def test_a_server_that_is_away_is_waited_for(tmp_path):
    with pytest.raises(Retry, match="does not answer"):
        archives.opened(Settings(home=tmp_path), "http://127.0.0.1:9").put(NAME, CONTENT)


# --- a branch --------------------------------------------------------------------------------


def test_a_repository_that_nobody_connected_is_refused_with_how_to(tmp_path):
    with pytest.raises(Refused, match="segue connect git"):
        archives.opened(Settings(home=tmp_path), "audit:main:kept")
