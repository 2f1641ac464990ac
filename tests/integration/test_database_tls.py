"""PostgreSQL over TLS: taken with the authority that is named and the name in the certificate, refused otherwise."""

import os
import pwd
import shutil
import subprocess

import pytest
from sqlalchemy import text

from service.database_tls import parted
from service.errors import StoreError
from service.store.database import open_database, reading
from tests.conftest import postgres_server
from tests.running import free_port

URL = "postgresql://segue@db/segue"


@pytest.mark.parametrize("url", [URL, f"{URL}?unix_sock=%2Frun%2Fx"])
def test_a_url_without_a_mode_is_left_as_it_is(url):
    assert parted(url) == (url, {})


def test_no_tls_is_none():
    assert parted(f"{URL}?sslmode=disable") == (URL, {"ssl_context": False})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sslmode=require", "write verify-full"),
        ("sslmode=prefer", "write verify-full"),
        ("sslmode=", "write verify-full"),
        ("sslrootcert=/ca.pem", "needs sslmode=verify-full"),
        ("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "no such file"),
        ("sslmode=verify-full&sslrootcert=/etc/hostname", "no certificate"),
        ("sslmode=verify-full&sslrootcert=/proc/self/mem", "cannot be read: Input/output error"),
        ("sslmode=verify-full&sslrootcert=/etc", "cannot be read: Is a directory"),
        (f"sslmode=verify-full&sslrootcert=/{'x' * 300}", "cannot be read: File name too long"),
        ("sslmode=verify-full&sslrootcert=", "names no file"),
        ("sslcert=/x", "sslcert is not known"),
    ],
)
def test_options_that_would_check_nothing_are_refused_with_what_to_write(query, said):
    with pytest.raises(ValueError, match=said):
        parted(f"{URL}?{query}")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that takes TLS alone, with a certificate for 127.0.0.1 of an authority of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    for made in postgres_server(fsync="off"):
        made.stop()
        folder = made.folder / "data"
        certificate(folder)
        owner = pwd.getpwuid((folder / "postgresql.conf").stat().st_uid)
        for name in ("server.crt", "server.key"):
            os.chown(folder / name, owner.pw_uid, owner.pw_gid)
            (folder / name).chmod(0o600)
        (folder / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.0/8 trust\n")
        port = free_port()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PGPORT", str(port))  # where it is asked whether it is ready
            made.start("ssl=on", "listen_addresses=127.0.0.1,127.0.0.2", f"port={port}")
        yield port, shutil.copy(folder / "server.crt", tmp_path_factory.mktemp("ca") / "ca.pem")


def certificate(folder):
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=db", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", folder / "server.key", "-out", folder / "server.crt"]
    subprocess.run([*words, *names, *files], check=True, capture_output=True)


def asked(url):
    engine = open_database(url)
    try:
        with reading(engine) as connection:
            return connection.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    finally:
        engine.dispose()


@pytest.mark.postgres
def test_a_database_is_taken_by_its_authority_and_its_name_and_by_no_less(server):
    port, authority = server
    query = f"sslmode=verify-full&sslrootcert={authority}"
    assert asked(f"postgresql://segue@127.0.0.1:{port}/postgres?{query}") is True
    for host, options in (("127.0.0.2", query), ("127.0.0.1", "sslmode=verify-full")):
        with pytest.raises(StoreError, match="the database is not who it should be"):
            asked(f"postgresql://segue@{host}:{port}/postgres?{options}")
