"""The processes of an installation, each by itself."""

import os
import subprocess
import sys


def test_a_process_whose_parent_is_gone_before_it_could_ask_to_be_told_ends_at_once(tmp_path):
    command = [sys.executable, "-m", "service.processes", "reconciler"]
    environ = {"PATH": os.defpath, "SEGUE_HOME": str(tmp_path), "SEGUE_SUPERVISED": "1"}
    ended = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "is gone" in ended.stderr
    assert not (tmp_path / "run" / "reconciler.json").exists()
