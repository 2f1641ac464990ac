"""The processes of an installation, each by itself."""

import os
import socket
import subprocess
import sys

import requests

from service.intake import UNKNOWN
from service.machine import installation
from service.machine.children import Children
from service.pages import door
from tests.running import free_port, wait_until


def test_a_process_whose_parent_is_gone_before_it_could_ask_to_be_told_ends_at_once(tmp_path):
    command = [sys.executable, "-m", "service.processes", "reconciler"]
    environ = {"PATH": os.defpath, "SEGUE_HOME": str(tmp_path), "SEGUE_SUPERVISED": "1"}
    ended = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "is gone" in ended.stderr
    assert not (tmp_path / "run" / "reconciler.json").exists()


def test_a_folder_that_is_named_as_our_packages_is_not_imported_where_segue_is_started(tmp_path, monkeypatch):
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit('code of a repository ran')")
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    environ = {"PATH": os.defpath, "SEGUE_HOME": str(home)}
    children = Children(("reconciler",), environ, tmp_path / "printed")
    children.start()
    try:
        wait_until(lambda: installation.running(home, "reconciler") or (tmp_path / "printed").read_text(), 60)
        assert (tmp_path / "printed").read_text() == ""
    finally:
        children.end()


def accepts(port):
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_of_an_installation_behind_a_proxy_sees_whom_the_proxy_names(tmp_path):
    home = tmp_path / "home"
    port = free_port()
    environ = {"PATH": os.defpath, "SEGUE_HOME": str(home), "SEGUE_WEB_PORT": str(port)}
    children = Children(("web",), {**environ, "SEGUE_PROXIES": "127.0.0.1"}, tmp_path / "printed")
    children.start()
    try:
        wait_until(lambda: accepts(port), 60)
        address = f"http://127.0.0.1:{port}/-/login"
        told = [
            requests.post(
                address, {"token": "guess"}, headers={"X-Forwarded-For": f"192.0.2.{n}"}, timeout=60
            )
            for n in range(door.LOGINS + 1)
        ]
        assert {one.status_code for one in told} == {401}
    finally:
        children.end()


def test_a_delivery_as_large_as_the_operator_allows_reaches_the_intake(tmp_path):
    """The server before it has a limit of its own, which must not be the smaller one."""
    home, port, largest = tmp_path / "home", free_port(), 9 << 20
    environ = {"PATH": os.defpath, "SEGUE_HOME": str(home), "SEGUE_INTAKE_PORT": str(port)}
    children = Children(("intake",), {**environ, "SEGUE_BODY_BYTES": str(largest)}, tmp_path / "printed")
    children.start()
    try:
        wait_until(lambda: accepts(port), 60)
        address = f"http://127.0.0.1:{port}/hooks/unknown"
        told = [requests.post(address, b" " * size, timeout=60) for size in (largest, largest + 1)]
        assert [one.status_code for one in told] == [401, 413]
        assert told[0].json()["detail"] == UNKNOWN
    finally:
        children.end()
