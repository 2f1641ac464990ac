"""A whole installation for tests: `segue up` as its own process tree, a repository, a tiny real model."""

import os
import signal
import subprocess
import time
from pathlib import Path

from service import settings, up
from service.client import Refusal, Unreachable, client_of
from service.demo.place import Place, program, segue
from service.demo.repository import Repository
from service.machine import installation, shim
from tests.running import free_port

SEGUE_YAML = """
name: echo
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
evaluate: {run: python evaluate.py, gates: {quality: ">= 0.5"}}
risk: 20%
false_rollbacks: 1%
dwell: 1s
warm_up: 0s
watch: 2s
patience: 1m
ladder: [10%, 50%, 100%]
"""
SERVE = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"fine\\n"
        self.send_response(STATUS if self.path != "/healthz" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Model-Version", os.environ["SEGUE_VERSION"])
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def log_message(self, *_):
        pass

STATUS = 200
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
EVALUATE = """
import json, os
json.dump({"quality": QUALITY}, open(os.environ["SEGUE_RESULT"], "w"))
"""
TARGET = "echo/production"
READY_SECONDS = 60


class Installation:
    """One home with everything in it, at ports of its own. `environ` adds to the settings of `segue up`."""

    def __init__(self, root: Path, *options: str, **environ: str) -> None:
        # Of two that start in the same moment each would find the usual ones free.
        ports = {f"SEGUE_{name}_PORT": str(free_port()) for name in ("INTAKE", "WEB", "ROUTER")}
        self.place = Place(root, tuple({"SEGUE_SWEEP_SECONDS": "2", **ports, **environ}.items()))
        self.repository = Repository(self.place.bare, self.place.work)
        self._options = options
        self._environ = self.place.environ()
        self._up = None
        self.program = program()  # which Segue is started; another version's where a test says so

    # --- the whole of it ---------------------------------------------------------------------

    def start(self):
        """Start `segue up`, and wait until it says that it is ready."""
        self.place.root.mkdir(parents=True, exist_ok=True)
        with self.place.log.open("ab") as log:
            self._up = subprocess.Popen(
                [self.program, "up", *self._options], env=self._environ, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.place.root,
            )  # fmt: skip
        try:
            self._wait_until_ready()
        except AssertionError:
            self._up.terminate()
            self.end()  # what it has started goes on without it
            raise
        return self

    def _wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while not self.is_up():
            assert self._up.poll() is None, self.place.log.read_text()
            assert time.monotonic() < until, self.place.log.read_text()
            time.sleep(0.05)

    def is_up(self):
        return installation.running(self.place.home, "up") is not None

    def end(self):
        """End everything, the router and the models too."""
        segue(self.place, "down", "--all", "--yes")
        self._up.wait(30)

    def end_up(self):
        """End `segue up` alone: what serves goes on."""
        self._up.terminate()
        self._up.wait(60)

    @property
    def settings(self):
        return installation.with_ports(settings.read(self._environ))

    @property
    def client(self):
        return client_of(settings.read(self._environ))

    def client_target(self):
        """The one target, asked of the API until it answers."""
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                return next(t for t in self.client.targets().page().rows if t["name"] == TARGET)
            except (Unreachable, Refusal):
                assert time.monotonic() < until, "the API does not come back"
                time.sleep(0.05)

    def router(self):
        """Where users reach the model."""
        return f"{installation.place(self.settings).router}/{TARGET}"

    # --- killing -----------------------------------------------------------------------------

    def pid(self, name):
        """The process of that name: ours, an embedded part's, or a workload's; None where none runs."""
        if name in {"traefik", "valkey"}:
            return shim.status(up.daemon_folder(self.place.home, name)).pid
        found = installation.running(self.place.home, name)
        return found.pid if found else shim.status(self.place.home / "workloads" / name).pid

    def kill(self, name):
        """`kill -9`; whether there was anything to kill."""
        pid = self.pid(name)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        if name == "up":
            self._up.wait(30)
        return True

    def restart(self):
        """Start again at once after `up` was killed, while its children still end."""
        return self.start()

    def workloads(self):
        """The names of all workloads that run."""
        place = self.place.home / "workloads"
        folders = [folder for folder in place.iterdir() if folder.is_dir()] if place.is_dir() else []
        return {folder.name for folder in folders if shim.status(folder).running}

    # --- the repository ----------------------------------------------------------------------

    def connect(self):
        """Make a repository with nothing in it, and connect it."""
        examples = self.place.root / "examples"
        examples.mkdir()
        self.repository.make(examples)
        command = [self.program, "connect", "git", str(self.place.bare)]
        subprocess.run(command, env=self._environ, cwd=self.place.root, check=True, capture_output=True)

    def push(self, number, *, status=200, quality=0.9, more=""):
        """Push another version; its commit."""
        files = {
            "segue.yaml": SEGUE_YAML + more,
            "requirements.lock": "# nothing but Python\n",
            "serve.py": f"# {number}\n" + SERVE.replace("STATUS = 200", f"STATUS = {status}"),
            "evaluate.py": EVALUATE.replace("QUALITY", str(quality)),
        }
        for name, text in files.items():
            (self.place.work / name).write_text(text)
        commit = self.repository.commit(f"Version {number}")
        self.repository.push()
        return commit

    def release_of(self, commit, seconds=60):
        """The release that the commit began, once it has ended."""
        until = time.monotonic() + seconds
        while True:
            found = self.releases(commit)
            if found and found[0]["final"]:
                return found[0]
            assert time.monotonic() < until, found
            time.sleep(0.1)

    def ended(self, name, seconds=60):
        """The release of that name, once it has ended."""
        until = time.monotonic() + seconds
        while not (found := self.client.release(name)["release"])["final"]:
            assert time.monotonic() < until, found
            time.sleep(0.1)
        return found

    def releases(self, commit):
        """All releases of the commit; none while nobody answers."""
        try:
            every = self.client.releases().page().rows
        except (Unreachable, Refusal):
            return []
        return [one for one in every if one["commit"] == commit]
