"""The processes of an installation, each by itself."""

import os
import subprocess
import sys

from service.machine import installation
from service.machine.children import Children
from tests.running import wait_until


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
