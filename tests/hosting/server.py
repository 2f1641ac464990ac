"""A Git host for tests: real repositories served by git itself, and an API by its documented contract.

Git is `git http-backend`. The API keeps state: what is posted is there afterwards, and refused as the host
refuses it. Addresses in its answers lead nowhere: a client that goes to them is wrong.
"""

import json
import os
import re
import subprocess
import threading
from base64 import b64decode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ELSEWHERE = "http://other.invalid"
READ, WRITE, ADMIN = 1, 2, 3


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status, message, **headers):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


@dataclass
class Asked:
    """One request to the API."""

    method: str
    path: str
    query: dict
    body: dict
    token: str
    headers: dict


@dataclass
class Answer:
    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)


class GitServer(ThreadingHTTPServer):
    """One repository, `acme/models`, with people and tokens; a host's own class answers its API."""

    daemon_threads = True
    root = "/"  # of the API

    def __init__(self, repository):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repository = repository
        self.path = "acme/models"
        self.tokens = {}  # token to what it may do
        self.groups = {}  # group to the logins in it
        self.people = {}  # login to permission there, in the host's word
        self.script = []  # answers that come before all others, once each
        self.asked = []  # (method, path)
        self.on_git = lambda _: None  # called with the path before git is answered
        self.lock = threading.RLock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that go away are no news."""

    # --- what a host's own class says -----------------------------------------------------------

    def answer(self, asked):
        """The API's answer. Raises `Refusal`."""
        raise NotImplementedError

    def refused(self, refusal):
        """The body of a refusal."""
        return {"message": refusal.message}

    # --- for both -------------------------------------------------------------------------------

    def routes(self, asked, table):
        """The answer of the first route whose method and pattern fit."""
        for (method, pattern), answer in table.items():
            found = re.fullmatch(pattern, asked.path)
            if method == asked.method and found:
                return answer(asked, *map(unquote, found.groups()))
        raise Refusal(404, "Not Found")

    def page(self, asked, items, default, most):
        """One page of a list, with a link to the next; addresses are not ours to go to."""
        size = min(int(asked.query.get("per_page", default)), most)
        number = int(asked.query.get("page", 1))
        part = items[(number - 1) * size : number * size]
        links = []
        if number * size < len(items):
            links.append(f'<{ELSEWHERE}{asked.path}?page={number + 1}>; rel="next"')
        links.append(f'<{ELSEWHERE}{asked.path}?page=1>; rel="first"')
        return Answer(200, part, {"Link": ", ".join(links)})

    def has(self, commit):
        """Whether the repository has the commit."""
        done = self.repository.git("cat-file", "-e", f"{commit}^{{commit}}", check=False)
        return done.returncode == 0

    def author(self, commit):
        """The login that the host knows the author's address by; None where it knows nobody."""
        email = self.repository.git("show", "-s", "--format=%ae", commit).decode()
        login = email.removesuffix("@example.org")
        return login if login in self.people else None

    def head(self):
        """The default branch; None where HEAD names none."""
        done = self.repository.git("symbolic-ref", "--short", "HEAD", check=False)
        return done.stdout.decode().strip() or None

    def may_fetch(self, authorization):
        """Whether these words open the repository to git; None where nothing was said."""
        if not authorization.startswith("Basic "):
            return None
        _, _, password = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return self.tokens.get(password, 0) >= READ


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._handle()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 (names that the library looks for)

    def log_message(self, *_):
        pass

    def _handle(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.server.asked.append((self.command, self.path))
        if not parts.path.startswith(self.server.root):
            self._git(parts, body)
            return
        with self.server.lock:
            answer = self._answer(parts, body)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self._send(answer.status, {"Content-Type": "application/json", **answer.headers}, content)

    def _answer(self, parts, body):
        scheme, _, word = self.headers.get("Authorization", "").partition(" ")
        token = word if scheme == "Bearer" else ""
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix(self.server.root.rstrip("/"))
        asked = Asked(self.command, path, query, json.loads(body or b"{}"), token, dict(self.headers))
        try:
            if self.server.script:
                raise self.server.script.pop(0)
            return self.server.answer(asked)
        except Refusal as refusal:
            headers = {name.replace("_", "-"): value for name, value in refusal.headers.items()}
            return Answer(refusal.status, self.server.refused(refusal), headers)

    def _git(self, parts, body):
        self.server.on_git(parts.path)
        allowed = self.server.may_fetch(self.headers.get("Authorization", ""))
        if allowed is None:
            self._send(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
            return
        path = re.fullmatch(rf"/{self.server.path}\.git(/info/refs|/git-upload-pack)", parts.path)
        if not allowed or path is None or not self.server.repository.folder.exists():
            self._send(404, {}, b"Repository not found.\n")
            return
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.repository.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path[1],
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environ, input=body, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split()[0])
        self._send(status, headers, content)

    def _send(self, status, headers, content):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
