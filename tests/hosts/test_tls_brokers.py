"""Redis over TLS with a certificate of the test's own authority: taken with that authority's file, refused without."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from service import tasks
from tests.hosts import brokers
from tests.running import wait_until


class TlsRedis(brokers.Redis):
    """It takes TLS alone."""

    def order(self):
        command, environ = super().order()
        at = command.index("--port")
        command[at : at + 2] = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        files = {"cert": "server.pem", "key": "server.key", "ca-cert": "ca.pem"}
        return command + [
            w for k, v in files.items() for w in (f"--tls-{k}-file", str(self.folder / v))
        ], environ


def certified(folder):
    """An authority, and a certificate of it for 127.0.0.1."""

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=a test's authority")
    openssl("req", *key[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")


@pytest.fixture
def broker():
    program = brokers.program("redis")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("redis-server or openssl is not installed")
    folder = Path(tempfile.mkdtemp(prefix="segue-tls-"))
    certified(folder)
    server = TlsRedis(folder, program)
    try:
        yield server.start()
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_hint_goes_over_tls_to_a_broker_whose_authority_is_named_and_to_no_other(broker):
    address = f"rediss://127.0.0.1:{broker.port}/0?ssl_cert_reqs=required"
    trusting = f"{address}&ssl_ca_certs={quote(str(broker.folder / 'ca.pem'))}"
    tasks.hint(tasks.create_app(trusting), "urgent", 7)
    found = []

    def came():
        with Connection(trusting) as connection:
            found.append(connection.SimpleQueue("urgent").get(timeout=5).payload[0])
        return True

    wait_until(came)
    assert found == [[7]]
    with Connection(address, connect_timeout=2) as stranger, pytest.raises((OperationalError, OSError)):
        stranger.ensure_connection(max_retries=1)
