"""The MLflow server that tests and the demo start: how it is told what to be, and that it ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.demo import mlflow_server
from service.demo.mlflow_server import MlflowServer, NotStarted
from service.machine import proc
from tests.running import free_port, wait_until

# Stands in for MLflow: two processes of one session that answer /health, slow to see that they shall end.
SERVER = """#!{python}
import http.server as h, os, signal, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
os.fork()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
class Server(h.ThreadingHTTPServer):
    allow_reuse_port = True
Server(("127.0.0.1", port), Handler).serve_forever()
"""


def stand_in(tmp_path, monkeypatch):
    path = tmp_path / "python"
    path.write_text(SERVER.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setattr(mlflow_server, "GRACE_SECONDS", 0.2)
    return MlflowServer(path, tmp_path / "server", free_port())


def session(pid):
    """The living processes of a session."""
    fields = {path.name: proc.stat_of(path.name) for path in Path("/proc").glob("[0-9]*")}
    return [name for name, told in fields.items() if told and told[0] not in "ZX" and int(told[3]) == pid]


def pid_of(server):
    return json.loads((server.folder / "server.json").read_text())["pid"]


def test_the_command_and_the_variables_name_all_that_a_webhook_to_this_machine_needs(tmp_path):
    argv = mlflow_server.argv(tmp_path / "python", tmp_path, 5000)
    assert argv[1:4] == ["-m", "mlflow", "server"]
    assert argv[argv.index("--workers") + 1] == "1"
    told = mlflow_server.environ(
        {"PATH": "/bin", "SEGUE_TOKEN": "x", "MLFLOW_TRACKING_URI": "y"}, tmp_path, b"k"
    )
    assert told["MLFLOW_WEBHOOK_ALLOWED_SCHEMES"] == "http,https"
    assert told["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"] == "k"
    assert not {"SEGUE_TOKEN", "MLFLOW_TRACKING_URI"} & told.keys()
    assert "k" not in argv


def test_a_server_and_its_workers_end_even_where_they_do_not_listen(tmp_path, monkeypatch):
    server = stand_in(tmp_path, monkeypatch)
    server.start()
    pid = pid_of(server)
    wait_until(lambda: len(session(pid)) == 2)
    server.stop()
    server.stop()
    assert session(pid) == []
    assert not server.ready()


def test_a_server_that_a_killed_run_left_is_ended_by_the_next(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch)
    code = (
        "import sys, os; from pathlib import Path; from service.demo.mlflow_server import MlflowServer;"
        f"MlflowServer(Path({str(tmp_path / 'python')!r}), Path({str(tmp_path / 'server')!r}), {free_port()}).start();"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    server = MlflowServer(tmp_path / "python", tmp_path / "server", free_port())
    former = pid_of(server)
    assert session(former)
    server.start()
    assert session(former) == []
    assert pid_of(server) != former
    server.stop()


def test_a_process_that_only_has_the_former_servers_id_is_left_alone(tmp_path, monkeypatch):
    server = stand_in(tmp_path, monkeypatch)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    server.folder.mkdir()
    known = {"pid": other.pid, "started": 1, "boot": proc.boot_id()}
    (server.folder / "server.json").write_text(json.dumps(known))
    server.start()
    server.stop()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_server_that_ends_at_once_is_an_error_with_what_it_said(tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho no room left\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(NotStarted, match="no room left"):
        MlflowServer(path, tmp_path / "server", free_port()).start()
