"""`SEGUE_LOGS=stdout`: where a cluster collects logs, everything that processes log stands on the output."""

import json

import pytest
import requests

from service import processes
from tests.installation import Installation
from tests.running import wait_until


@pytest.mark.timeout(120)
def test_all_processes_log_on_one_output_a_line_of_json_each_with_its_name_and_no_file_is_written(tmp_path):
    """With a broker, whose library prints to a worker's output what it likes."""
    installed = Installation(tmp_path / "segue", SEGUE_LOGS="stdout", SEGUE_CLUSTERS_ONLY="yes")
    apart = tmp_path / "segue-up"
    apart.write_text(f'#!/bin/sh\nexec {installed.program} "$@" 2>{tmp_path / "errors"}\n')
    apart.chmod(0o700)
    installed.program = str(apart)
    installed.start()
    try:
        page = f"http://127.0.0.1:{installed.settings.web_port}/-/login"
        assert requests.post(page, {"token": "guessed"}, timeout=60).status_code == 401
        installed.kill("observer")
        wait_until(lambda: '"process died"' in installed.place.log.read_text(), 60)
    finally:
        installed.end()
    found = [json.loads(line) for line in installed.place.log.read_text().splitlines()]
    events = {name: {one["event"] for one in found if one["process"] == name} for name in processes.NAMES}
    assert {name for name, theirs in events.items() if "started" in theirs} == set(processes.NAMES)
    assert {name for name, theirs in events.items() if "stopped" in theirs} >= {*processes.NAMES} - {
        "observer"
    }
    assert "login by a wrong token" in events["web"]
    of_up = [one for one in found if one["process"] == "up"]
    assert "ready" in {one.get("said") for one in of_up}
    assert [(one["event"], one["name"]) for one in of_up if "name" in one] == [("process died", "observer")]
    assert list((installed.place.home / "logs").iterdir()) == []
