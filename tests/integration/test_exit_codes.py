"""What a shell or CI sees of `segue`: the exit code, and where words go."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("connect", "git", "/srv/git/x.git", "--name", "a/b"), 1, "such as b"),
        (("connect", "git", "/srv/git/x.git", "--name", ""), 1, "is no name for a source"),
        (("token", " "), 2, "segue token ann"),
        (("up",), 1, "set SEGUE_HOME to a folder that you may write"),
        (("token", "ann"), 1, "set SEGUE_HOME to a folder that you may write"),
    ],
)
def test_a_name_or_a_home_that_cannot_be_used_is_said(segue, tmp_path, arguments, code, said):
    (tmp_path / "file").touch()
    ended = segue(*arguments, SEGUE_HOME=str(tmp_path / "file"))
    assert (ended.returncode, ended.stdout) == (code, "")
    assert said in ended.stderr


def test_an_address_where_nothing_can_listen_is_said(segue):
    ended = segue("up", SEGUE_HOST="192.0.2.1")  # of nobody: RFC 5737
    assert ended.returncode == 1
    assert "SEGUE_HOST is '192.0.2.1'" in ended.stderr


def test_down_where_nothing_runs_does_not_speak_of_what_serves(segue):
    ended = segue("down")
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == ["Segue is not running here", "no router and no model runs"]


def test_check_passes_by_a_folder_that_cannot_be_listed(segue, monkeypatch):
    assert segue("init", "wine").returncode == 0
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("gone"):
            raise OSError(22, "Invalid argument")
        return listed(path)

    (Path("wine") / "gone").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    assert segue("check").stdout == "wine/segue.yaml: fine (wine)\n"
