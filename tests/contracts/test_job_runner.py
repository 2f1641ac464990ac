"""What every job runner keeps, in memory and with real processes; `tests/cluster` adds a real cluster."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from service.adapters.memory.jobs import MemoryJobs
from service.adapters.process import results
from service.adapters.process.jobs import ProcessJobs
from service.machine import proc, shim
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.settings import Settings

WRITE = "import os; open(os.environ['SEGUE_RESULT'], 'w').write({!r})"
GOOD = '{"accuracy": 0.5, "size": 3}'


@dataclass(frozen=True)
class FolderImage:
    """An image that is nothing but a folder and this interpreter."""

    root: Path
    env: dict
    argv: tuple
    workdir: Path

    def command(self, run):
        return tuple(sys.executable if word == "python" else word for word in run)


def unpack(home, digest):
    root = home / "images" / digest
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    return FolderImage(root, {"FROM_IMAGE": "yes", "PATH": "/usr/bin:/bin"}, (), root)


def python(code, name="job", seconds=60.0, memory=0, **env):
    run = ("python", "-I", "-S", "-c", code)
    return Job(name, "image", run, Limits(1, memory, seconds), tuple(env.items()))


class World:
    """A runner, and how its jobs are made to end."""

    def __init__(self, jobs, home=None):
        self.jobs, self.home = jobs, home

    def well(self):
        if self.home is None:
            self.jobs.results["job"] = {"accuracy": 0.5, "size": 3}
        return python(WRITE.format(GOOD))

    def badly(self):
        if self.home is None:
            self.jobs.failing["job"] = "the job ended with exit code 3"
        return python("print('oh no', flush=True); import sys; sys.exit(3)")

    def long(self):
        if self.home is None:
            self.jobs._looks = 1_000_000
        return python("import time; print('here', flush=True); time.sleep(600)")


@pytest.fixture(params=["memory", "process"])
def world(request, tmp_path):
    if request.param == "memory":
        yield World(MemoryJobs())
    else:
        yield request.getfixturevalue("real")


@pytest.fixture
def real(tmp_path):
    home = tmp_path / "home"
    yield World(ProcessJobs(home, unpack), home)
    for folder in (home / "jobs").iterdir() if (home / "jobs").is_dir() else ():
        shim.stop(folder, grace=0.1)
        assert not shim.supervised(folder)


def begun(world, name="job"):
    """The job's state once it is neither to be started nor starting."""
    until = time.monotonic() + 60
    while (state := world.jobs.state(name)) == Working("starting"):
        assert time.monotonic() < until
        time.sleep(0.1)
    return state


def end(world, name="job"):
    """The job's end, waited for."""
    until = time.monotonic() + 60
    while isinstance(state := world.jobs.state(name), Working):
        assert time.monotonic() < until, world.jobs.logs(name)
        time.sleep(0.02)
    return state


def outcome(world, code, **more):
    world.jobs.start(python(code, **more))
    return end(world)


def test_an_unknown_job_is_gone(world):
    assert world.jobs.state("job") == Gone()
    assert world.jobs.logs("job") == ""
    world.jobs.cancel("job")
    assert world.jobs.state("job") == Gone()


def test_a_job_ends_with_its_numbers_and_is_not_run_twice(world):
    job = world.well()
    world.jobs.start(job)
    result = Result((("accuracy", 0.5), ("size", 3.0)))
    assert end(world) == result
    world.jobs.start(job)
    assert world.jobs.state("job") == result


def test_start_may_be_repeated_while_it_runs(world):
    job = world.long()
    world.jobs.start(job)
    world.jobs.start(job)
    assert begun(world) == Working("running")


def test_a_failed_job_says_why_and_may_start_anew(world):
    world.jobs.start(world.badly())
    failed = end(world)
    assert isinstance(failed, Failed)
    assert failed.reason == "the job ended with exit code 3"
    assert failed.log
    world.jobs.start(world.well())
    assert isinstance(end(world), Result)


def test_a_cancelled_job_has_failed(world):
    world.jobs.start(world.long())
    world.jobs.cancel("job")
    world.jobs.cancel("job")
    state = world.jobs.state("job")
    assert isinstance(state, Failed)
    assert state.reason == "the job was cancelled"


def read(world, mark="", least=1):
    """At least so many characters of what the job prints, waited for, and the mark behind them."""
    until, text = time.monotonic() + 60, ""
    while len(text) < least:
        assert time.monotonic() < until, text
        found = world.jobs.read_on("job", mark)
        text, mark = text + found.text, found.mark
        time.sleep(0.05)
    return text, mark


def test_what_a_job_prints_is_read_while_it_runs_and_each_word_once(world):
    assert world.jobs.read_on("job", "").text == ""
    world.jobs.start(world.long())
    begun(world)
    text, mark = read(world)
    assert text == world.jobs.logs("job")
    assert world.jobs.read_on("job", mark).text == ""
    assert isinstance(world.jobs.state("job"), Working)


def test_a_job_whose_numbers_are_elsewhere_ends_well_without_any(world):
    world.jobs.start(replace(world.well(), run=elsewhere(world), writes=False))
    assert end(world) == Result(())


def elsewhere(world):
    """A command that fails where it is told of a file for its result."""
    *python, _ = world.well().run
    return (*python, "import os, sys; sys.exit('SEGUE_RESULT' in os.environ)")


def test_it_opens_from_settings_alone(tmp_path):
    for kind in (MemoryJobs, ProcessJobs):
        assert kind.open(Settings(home=tmp_path)).state("job") == Gone()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"accuracy": NaN}', "'accuracy' holds a number that is not finite"),
        ('{"accuracy": -Infinity}', "'accuracy' holds a number that is not finite"),
        ('{"accuracy": 1e999}', "'accuracy' holds a number that is not finite"),
        ('{"accuracy": 1' + "0" * 400 + "}", "'accuracy' holds a number that is not finite"),
        ('{"accuracy": 1' + "0" * 5000 + "}", "it is not JSON"),
        ('{"accuracy": true}', "'accuracy' holds a boolean"),
        ('{"accuracy": "0.9"}', "'accuracy' holds a string"),
        ('{"accuracy": null}', "'accuracy' holds null"),
        ('{"scores": {"a": 1}}', "'scores' holds an object"),
        ('{"scores": [1]}', "'scores' holds a list"),
        ('{"accuracy": 1, "accuracy": 2}', "'accuracy' is there twice"),
        ("[0.9]", "it is a list"),
        ("0.9", "it is a number"),
        ("", "it is not JSON"),
        ("{'accuracy': 1}", "it is not JSON"),
        ("[" * 50_000, "it is nested too deeply"),
    ],
)
def test_a_result_that_is_no_flat_object_of_finite_numbers_fails_and_names_the_key(tmp_path, text, part):
    path = tmp_path / "result.json"
    path.write_text(text)
    found = results.read(path)
    assert isinstance(found, Failed)
    assert part in found.reason


def test_a_result_that_was_not_written_fails(real):
    assert "there is none" in outcome(real, "pass").reason


def test_a_result_that_is_too_large_fails(real):
    code = "import os; open(os.environ['SEGUE_RESULT'], 'w').write(' ' * (2 << 20))"
    assert "larger than" in outcome(real, code).reason


@pytest.mark.parametrize("trick", ["os.symlink('/etc/hostname', path)", "os.mkfifo(path)", "os.mkdir(path)"])
def test_a_result_that_is_no_plain_file_fails(real, trick):
    assert "plain file" in outcome(real, f"import os; path = os.environ['SEGUE_RESULT']; {trick}").reason


def test_the_wall_clock_limit_is_kept(real):
    failed = outcome(real, "import time; time.sleep(600)", seconds=0.2)
    assert failed.reason == "the job did not end within 0.2 s"


def test_the_memory_limit_is_kept(real):
    failed = outcome(real, "keep = bytearray(200 << 20); import time; time.sleep(600)", memory=100 << 20)
    assert failed.reason == "the job used more memory than its limit of 100 MiB"


def test_the_environment_holds_nothing_of_ours(real, monkeypatch):
    monkeypatch.setenv("SEGUE_HOME", "/secret")
    monkeypatch.setenv("TOKEN", "hunter2")
    outcome(real, "import os, json; print(json.dumps(dict(os.environ)))", WISHED="too")
    log = real.jobs.logs("job")
    assert "hunter2" not in log
    assert "SEGUE_HOME" not in log
    assert '"FROM_IMAGE": "yes"' in log
    assert '"WISHED": "too"' in log
    assert '"OMP_NUM_THREADS": "1"' in log
    assert f'"HOME": "{real.home}/jobs/job/work/home"' in log


def test_a_job_is_found_again_by_another_process_and_after_its_shim_was_killed(real):
    """The time limit holds on, kept by the new shim."""
    real.jobs.start(python("import time; time.sleep(600)", seconds=1.5))
    folder = real.home / "jobs" / "job"
    os.kill(shim_of(folder), signal.SIGKILL)
    again = World(ProcessJobs(real.home, unpack))
    assert again.jobs.state("job") == Working("running")
    assert end(again).reason == "the job did not end within 1.5 s"


def test_a_job_whose_end_nobody_saw_is_not_trusted(real):
    real.jobs.start(python(WRITE.format(GOOD) + "; import time; time.sleep(600)"))
    folder = real.home / "jobs" / "job"
    child = shim.status(folder).pid
    os.kill(shim_of(folder), signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    while proc.start_of(child) is not None or shim.supervised(folder):
        time.sleep(0.01)
    assert "not seen" in real.jobs.state("job").reason


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a" * 200, "a\n"])
def test_a_name_that_is_no_folder_s_name_is_refused(real, name):
    with pytest.raises(Refused):
        real.jobs.start(python("pass", name=name))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process a user of its own")
def test_as_root_a_job_has_a_user_of_its_own_and_cannot_read_ours(real):
    secret = real.home / "secrets" / "hook"
    secret.parent.mkdir(parents=True)
    secret.write_text("hunter2")
    code = (
        "import os\nprint(os.getuid())\n"
        f"for path in ({str(secret)!r}, {str(real.home / 'jobs' / 'job' / 'order.json')!r}):\n"
        "    try: print(open(path).read())\n"
        "    except OSError as e: print('no')\n"
    ) + WRITE.format(GOOD)
    assert isinstance(outcome(real, code), Result), real.jobs.logs("job")
    user, *rest = real.jobs.logs("job").split()
    assert int(user) in proc.OWN_USERS
    assert rest == ["no", "no"]
    assert real.jobs.isolation == "each job and model runs as a user of its own"


def shim_of(folder):
    return json.loads((folder / "state.json").read_text())["shim"][0]
