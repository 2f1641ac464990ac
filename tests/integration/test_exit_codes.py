"""What a shell or CI sees of `segue`: the exit code, and where words go."""

import subprocess
import sys

import pytest


@pytest.fixture
def segue(tmp_path):
    def run(*arguments, **environ):
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environ}
        command = [sys.executable, "-c", "from service.cli import main; main()", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )

    return run


def test_what_was_done_ends_with_0(segue):
    assert segue("--version").returncode == 0
    assert segue("init", "wine").returncode == 0
    assert segue("check").returncode == 0


def test_mistakes_in_a_file_end_with_1(segue, tmp_path):
    (tmp_path / "segue.yaml").write_text("name: Wine\n")
    assert segue("check").returncode == 1
    assert segue("check", "--json").returncode == 1


def test_what_is_refused_ends_with_1_and_one_line_of_why(segue):
    refused = segue("releases")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""


def test_something_amiss_ends_the_doctor_with_1(segue):
    assert segue("doctor").returncode == 1


def test_wrong_usage_ends_with_2(segue):
    assert segue("relases").returncode == 2
    assert segue("connect", "svn", "x").returncode == 2


def test_a_setting_that_cannot_be_used_ends_with_1(segue):
    refused = segue("releases", SEGUE_WEB_PORT="web")
    assert refused.returncode == 1
    assert "SEGUE_WEB_PORT" in refused.stderr
