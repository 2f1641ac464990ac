"""Real brokers on loopback, each in a folder of its own: Redis and RabbitMQ as Debian packages them, Valkey."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from service.adapters.valkey import ValkeyDaemon
from service.settings import Settings
from tests.running import free_port

START_SECONDS = 120


class Server:
    """A server that is started, killed and started again on the same port and data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process = None

    url = ""

    def order(self):
        """Its command, and what it wants in its environment."""
        raise NotImplementedError

    def start(self):
        command, environ = self.order()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={"PATH": os.environ["PATH"], **environ}, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.1)
        return self

    def answers(self):
        """Whether something listens; a client's own handshake says the rest."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    @contextlib.contextmanager
    def standing_still(self):
        """All connections stay open, and nothing is answered."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self):
        """`kill -9` of it and all that it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Redis(Server):
    """Also Valkey: the same options, and the same transport of Celery."""

    def __init__(self, folder: Path, program: str) -> None:
        super().__init__(folder)
        self.program = program
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def order(self):
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [self.program, *options, "--appendonly", "yes", "--save", ""], {}


class RabbitMQ(Server):
    """One server, with a name, a cookie and a port mapper of its own, so that no other is met."""

    def __init__(self, folder: Path, program: str) -> None:
        super().__init__(folder)
        self.program = program
        self.mapper, self.distribution = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        (folder / "plugins").write_text("[].\n")
        # Debian's script wants to be root or rabbitmq; the server itself does not.
        if os.geteuid() == 0:
            account = pwd.getpwnam("rabbitmq")
            for place in (folder, folder / "plugins"):
                os.chown(place, account.pw_uid, account.pw_gid)

    def order(self):
        environ = {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"segue{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "ERL_EPMD_PORT": str(self.mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        return [*self._as_user(), self.program], environ

    def _as_user(self):
        if os.geteuid() != 0:
            return []
        account = pwd.getpwnam("rabbitmq")
        ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
        return ["setpriv", *ids, "--clear-groups"]

    def kill(self):
        super().kill()
        # Erlang's port mapper leaves its starter's group; it is ours by its port.
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                told = (place / "environ").read_bytes().split(b"\0")
                ours = f"ERL_EPMD_PORT={self.mapper}".encode() in told
                if ours and (place / "comm").read_text().strip() == "epmd":
                    os.kill(int(place.name), signal.SIGKILL)


def program(name: str) -> str | None:
    """Where a broker's program is; Valkey's comes with Segue's own packages."""
    if name == "valkey":
        return str(ValkeyDaemon.open(Settings(home=Path())).program())
    places = {"redis": "redis-server", "rabbitmq": "/usr/lib/rabbitmq/bin/rabbitmq-server"}
    return shutil.which(places[name])
