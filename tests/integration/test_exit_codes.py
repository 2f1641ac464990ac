"""What a shell or CI sees of `segue`: the exit code, and where words go."""

import sys
from dataclasses import dataclass

import pytest

from service.cli import main


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def segue(tmp_path, monkeypatch, capsys):
    """The entry point with an environment and a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEGUE_TOKEN", "SEGUE_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path / "home"))

    def run(*arguments, **environ):
        monkeypatch.setattr(sys, "argv", ["segue", *arguments])
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ended(ended.value.code, told.out, told.err)

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
