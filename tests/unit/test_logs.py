"""Logs as they are written: by a process of its own, as logging is set up once for a whole process."""

import json
import subprocess
import sys
from datetime import UTC, datetime

CODE = r"""
import pathlib, structlog, sys
from service.machine import logs
logs.to_file(pathlib.Path(sys.argv[1]), "web")
structlog.get_logger().warning("login without a role", name="eve\n{\"event\": \"forged\"}\x1b[2J\u202e")
"""


def test_whatever_is_logged_is_one_line_of_json_with_its_time_in_utc(tmp_path):
    subprocess.run([sys.executable, "-c", CODE, tmp_path], check=True)
    line, *more = (tmp_path / "web.log").read_text().splitlines()
    assert more == []
    assert line.isprintable()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("login without a role", "warning")
    assert told["name"].startswith("eve\n")
    assert datetime.fromisoformat(told["timestamp"]).tzinfo == UTC
