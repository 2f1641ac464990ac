"""Redis and RabbitMQ over TLS with certificates of the test's own authority: taken with that authority's file and
under the name in the certificate, refused otherwise.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from kombu.exceptions import OperationalError

from service import tasks
from tests.hosts import brokers
from tests.installation import Installation
from tests.running import wait_until

NAMED, UNNAMED = "127.0.0.1", "127.0.0.2"  # both are this machine; the certificate has the first alone
STARTED = 120  # seconds until a broker has taken a login


class TlsRedis(brokers.Redis):
    """It takes TLS alone."""

    def __init__(self, folder, program):
        super().__init__(folder, program)
        self.address = f"rediss://{{host}}:{self.port}/0"

    def order(self):
        command, environ = super().order()
        at = command.index("--port")
        command[at : at + 2] = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        command.insert(command.index(NAMED) + 1, UNNAMED)
        files = {"cert": "server.pem", "key": "server.key", "ca-cert": "ca.pem"}
        return command + [
            w for k, v in files.items() for w in (f"--tls-{k}-file", str(self.folder / v))
        ], environ


class TlsRabbitMQ(brokers.RabbitMQ):
    """The same; it is told by a file."""

    def __init__(self, folder, program):
        super().__init__(folder, program)
        self.address = f"amqps://guest:guest@{{host}}:{self.port}//"
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nlisteners.ssl.1 = {NAMED}:{self.port}\n"
            f"listeners.ssl.2 = {UNNAMED}:{self.port}\n"
            + "".join(
                f"ssl_options.{word} = {folder}/{name}\n"
                for word, name in (
                    ("cacertfile", "ca.pem"),
                    ("certfile", "server.pem"),
                    ("keyfile", "server.key"),
                )
            )
            + "ssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n"
        )
        if os.geteuid() == 0:
            account = pwd.getpwnam("rabbitmq")
            os.chown(folder / "server.key", account.pw_uid, account.pw_gid)

    def order(self):
        command, environ = super().order()
        del environ["RABBITMQ_NODE_PORT"], environ["RABBITMQ_NODE_IP_ADDRESS"]  # of what is not encrypted
        return command, {**environ, "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf")}


KINDS = {"redis": TlsRedis, "rabbitmq": TlsRabbitMQ}


def certified(folder):
    """An authority, and a certificate of it for 127.0.0.1 alone."""

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=a test's authority")
    openssl("req", *key[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")


@pytest.fixture(params=KINDS)
def broker(request):
    program = brokers.program(request.param)
    if program is None or shutil.which("openssl") is None:
        pytest.skip(f"{request.param} or openssl is not installed")
    folder = Path(tempfile.mkdtemp(prefix="segue-tls-"))
    folder.chmod(0o755)
    certified(folder)
    server = KINDS[request.param](folder, program)
    try:
        yield server.start()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def trusting(broker, host=NAMED):
    """The URL with the test's authority."""
    return f"{broker.address.format(host=host)}?ssl_ca_certs={quote(str(broker.folder / 'ca.pem'))}"


def connect(url):
    """As Segue's own processes do. Raises what their client raises."""
    with tasks.create_app(url).connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0.1)


def taken(url):
    """Wait until the broker takes a login, which comes after its port."""

    def answers():
        try:
            connect(url)
        except Exception:  # noqa: BLE001  each transport has errors of its own
            return False
        return True

    wait_until(answers, STARTED)


@pytest.mark.parametrize("broker", KINDS, indirect=True)
def test_a_broker_is_taken_by_its_authority_and_its_name_and_by_no_less(broker):
    taken(trusting(broker))
    for stranger in (broker.address.format(host=NAMED), trusting(broker, UNNAMED)):
        with pytest.raises((OperationalError, OSError)) as refused:
            connect(stranger)
        assert "certificate" in str(refused.value).lower()
    connect(broker.address.format(host=UNNAMED) + "?ssl_cert_reqs=none")


@pytest.mark.timeout(400)
def test_a_release_goes_over_tls(broker, tmp_path):
    taken(trusting(broker))
    place = Installation(tmp_path / "segue", SEGUE_BROKER=trusting(broker)).start()
    try:
        place.connect()
        assert place.release_of(place.push(1), 180)["phase"] == "promoted"
        logs = "".join(path.read_text() for path in (place.place.home / "logs").glob("worker-*"))
    finally:
        place.end()
    assert "started" in logs
    assert "certificate" not in logs.lower()
