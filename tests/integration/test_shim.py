"""The shim against real processes: kills, adoption, limits, logs and users."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from service.machine import proc, shim
from service.machine.shim import Order
from service.ports.outcomes import Refused

ENV = (("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"))
SLEEP = "import time\nprint('here', flush=True)\ntime.sleep(600)"


@pytest.fixture
def folder(tmp_path):
    """A shim's folder; what runs in it is ended afterwards."""
    place = tmp_path / "shim"
    yield place
    shim.stop(place, grace=0.1)
    assert not shim.status(place).running
    assert not shim.supervised(place)


def python(code, **more):
    """An order that runs this code."""
    more.setdefault("cwd", "/")
    return Order(name="test", argv=(sys.executable, "-I", "-S", "-c", code), env=ENV, **more)


def until(condition, seconds=20.0):
    """Wait for something to be true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def shim_pid(folder):
    return json.loads((folder / "state.json").read_text())["shim"][0]


def test_it_keeps_a_process_running_and_is_idempotent(folder):
    shim.keep(folder, python(SLEEP))
    first = shim.status(folder)
    shim.keep(folder, python(SLEEP))
    assert first.running
    assert shim.status(folder) == first
    assert until(lambda: "here" in shim.log_tail(folder))


def test_another_order_in_the_same_folder_is_refused(folder):
    shim.keep(folder, python(SLEEP))
    with pytest.raises(Refused, match="already runs"):
        shim.keep(folder, python("print(1)"))


def test_a_killed_child_is_started_again(folder):
    shim.keep(folder, python(SLEEP))
    first = shim.status(folder).pid
    os.kill(first, signal.SIGKILL)
    again = until(lambda: (s := shim.status(folder)).running and s.pid != first and s)
    assert (again.restarts, again.exit_code) == (1, -signal.SIGKILL)


def test_a_killed_shim_leaves_its_child_which_the_next_one_adopts(folder):
    shim.keep(folder, python(SLEEP))
    before, old = shim.status(folder), shim_pid(folder)
    os.kill(old, signal.SIGKILL)
    until(lambda: not shim.supervised(folder))
    assert shim.status(folder).running
    shim.keep(folder, python(SLEEP))
    assert shim_pid(folder) != old
    assert shim.status(folder) == before
    os.kill(before.pid, signal.SIGKILL)
    again = until(lambda: (s := shim.status(folder)).running and s.pid != before.pid and s)
    assert (again.restarts, again.exit_code) == (1, None)


def test_a_child_whose_shim_is_dead_is_stopped_all_the_same(folder):
    shim.keep(folder, python(SLEEP))
    child = shim.status(folder).pid
    os.kill(shim_pid(folder), signal.SIGKILL)
    until(lambda: not shim.supervised(folder))
    shim.stop(folder, grace=2)
    assert proc.start_of(child) is None
    assert shim.status(folder).ended


def test_shim_and_child_both_killed_are_started_anew_by_keep(folder):
    shim.keep(folder, python(SLEEP))
    before = shim.status(folder)
    os.kill(shim_pid(folder), signal.SIGKILL)
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: not shim.supervised(folder) and not shim.status(folder).running)
    assert not shim.status(folder).ended
    shim.keep(folder, python(SLEEP))
    assert shim.status(folder).running
    assert shim.status(folder).restarts == 1


def test_it_outlives_the_killed_parent_and_its_whole_session(folder):
    """The parent is killed together with its process group, as a terminal or a supervisor would."""
    code = (
        "import sys, time; from pathlib import Path; from service.machine import shim\n"
        f"shim.keep(Path({str(folder)!r}), shim.Order('test', {python(SLEEP).argv!r}, {ENV!r}, '/'))\n"
        "print('kept', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True, cwd=Path.cwd()
    ) as parent:
        assert parent.stdout.readline() == b"kept\n"
        os.killpg(parent.pid, signal.SIGKILL)
    status = shim.status(folder)
    assert status.running
    assert shim.supervised(folder)
    assert os.getsid(status.pid) == status.pid


def test_the_process_gets_the_order_s_environment_and_no_descriptors(folder, tmp_path):
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        code = "import os; print(sorted(os.environ), sorted(os.listdir('/proc/self/fd')), oct(os.umask(0)))"
        shim.keep(folder, python(code, restart=False))
        until(lambda: shim.status(folder).ended)
    assert shim.log_tail(folder).strip() == "['LANG', 'PATH'] ['0', '1', '2', '3'] 0o77"  # 3 is the listing


def test_a_process_that_may_not_restart_ends_with_its_exit_code(folder):
    shim.keep(folder, python("import sys; sys.exit(7)", restart=False))
    ended = until(lambda: (s := shim.status(folder)).ended and s)
    assert (ended.running, ended.exit_code, ended.restarts) == (False, 7, 0)


def test_a_program_that_does_not_exist_says_so_in_the_log(folder):
    shim.keep(folder, Order("test", ("no-such-program",), ENV, "/", restart=False))
    ended = until(lambda: (s := shim.status(folder)).ended and s)
    assert ended.exit_code == 127
    assert "cannot start no-such-program" in shim.log_tail(folder)


def test_a_process_that_ends_at_once_is_started_again_with_pauses(folder):
    shim.keep(folder, python("print('life')"))
    assert until(lambda: shim.status(folder).restarts >= 2)
    lives = shim.log_tail(folder).count("life")
    assert 2 <= lives <= shim.status(folder).restarts + 1


def test_stop_asks_first_and_reaches_grandchildren(folder):
    code = (
        "import os, signal, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setpgid(0, 0); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0)))\n"
        "print('here', flush=True)\n"
        "while True: time.sleep(1)"
    )
    shim.keep(folder, python(code))
    until(lambda: "here" in shim.log_tail(folder))
    session = shim.status(folder).pid
    shim.stop(folder, grace=5)
    assert "bye" in shim.log_tail(folder)
    assert shim.status(folder).ended
    assert not [p for p in _processes() if _in_session(p, session)]
    shim.stop(folder)


def test_stop_kills_what_does_not_listen(folder):
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(600)"
    shim.keep(folder, python(code))
    until(lambda: "here" in shim.log_tail(folder))
    shim.stop(folder, grace=0.1)
    status = shim.status(folder)
    assert (status.running, status.ended, status.reason) == (False, True, "stopped")


def test_after_a_stop_it_can_be_kept_again(folder):
    shim.keep(folder, python(SLEEP))
    shim.stop(folder)
    shim.keep(folder, python("import time; time.sleep(599)"))
    status = shim.status(folder)
    assert (status.running, status.ended, status.restarts) == (True, False, 0)


def test_a_frozen_shim_does_not_keep_stop_from_working(folder):
    shim.keep(folder, python(SLEEP))
    child = shim.status(folder).pid
    os.kill(shim_pid(folder), signal.SIGSTOP)
    shim.stop(folder, grace=0.1)
    assert proc.start_of(child) is None


def test_a_stranger_that_got_the_recorded_id_is_neither_adopted_nor_killed(folder):
    stranger = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    try:
        shim.keep(folder, python(SLEEP))
        first = shim.status(folder).pid
        os.kill(shim_pid(folder), signal.SIGKILL)
        os.kill(first, signal.SIGKILL)
        until(lambda: not shim.supervised(folder) and not shim.status(folder).running)
        state = json.loads((folder / "state.json").read_text())
        state["child"] = [stranger.pid, proc.start_of(stranger.pid) - 1]
        state["shim"] = state["child"]
        (folder / "state.json").write_text(json.dumps(state))
        assert not shim.status(folder).running
        shim.stop(folder, grace=0.1)
        assert stranger.poll() is None
        shim.keep(folder, python(SLEEP))
        assert shim.status(folder).pid != stranger.pid
    finally:
        stranger.kill()
        stranger.wait()


def test_the_log_stays_below_its_cap_and_keeps_the_end(folder):
    code = "import sys\nfor n in range(400_000): print(f'line {n:08}')\nprint('the end')"
    cap = 256 << 10
    shim.keep(folder, python(code, restart=False, log_bytes=cap))
    until(lambda: shim.status(folder).ended)
    assert "the end" in shim.log_tail(folder)
    assert sum((folder / n).stat().st_size for n in ("log", "log.1")) <= cap


def test_memory_over_the_limit_ends_the_process_and_says_so(folder):
    code = "import time\nkeep = bytearray(200 << 20)\ntime.sleep(600)"
    shim.keep(folder, python(code, restart=False, memory=100 << 20))
    ended = until(lambda: (s := shim.status(folder)).ended and s)
    assert (ended.exit_code, ended.reason) == (-signal.SIGKILL, "memory")


def test_reserved_but_unused_memory_does_not_count(folder):
    code = "import mmap, time\nkeep = mmap.mmap(-1, 1 << 30)\nprint('fine')"
    shim.keep(folder, python(code, restart=False, memory=100 << 20))
    ended = until(lambda: (s := shim.status(folder)).ended and s)
    assert (ended.exit_code, ended.reason) == (0, "")


def test_the_wall_clock_ends_the_process_and_says_so(folder):
    shim.keep(folder, python(SLEEP, restart=False, seconds=0.3))
    ended = until(lambda: (s := shim.status(folder)).ended and s)
    assert (ended.running, ended.reason) == (False, "time")


def test_however_keepers_and_shims_are_killed_there_is_one_process_or_none(folder, tmp_path):
    order = Order("test", (sys.executable, "-I", "-S", "-c", SLEEP), (*ENV, ("MARK", str(folder))), "/")
    code = (
        "from pathlib import Path; from service.machine import shim; print('ready', flush=True); input()\n"
        f"shim.keep(Path({str(folder)!r}), shim.{order!r})"
    )
    chance = random.Random(7)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    for turn in range(30):
        with subprocess.Popen([sys.executable, "-c", code], cwd=Path.cwd(), **pipes) as keeper:
            assert keeper.stdout.readline() == b"ready\n"
            keeper.stdin.write(b"\n")
            keeper.stdin.flush()
            time.sleep(chance.uniform(0, 0.08))
            keeper.kill()
        if (folder / "state.json").exists() and turn % 3:
            with suppress(ProcessLookupError):
                os.kill(shim_pid(folder), signal.SIGKILL)
        assert len(_marked(folder)) <= 1
    shim.keep(folder, order)
    assert _marked(folder) == [shim.status(folder).pid]
    shim.stop(folder, grace=0.1)
    assert _marked(folder) == []


def test_a_removed_folder_ends_everything(folder, tmp_path):
    """Nobody could find the process again."""
    shim.keep(folder, python(SLEEP))
    child, keeper = shim.status(folder).pid, shim_pid(folder)
    for path in list(folder.iterdir()):
        path.unlink()
    folder.rmdir()
    try:
        until(lambda: proc.start_of(child) is None and proc.start_of(keeper) is None)
    finally:
        for pid in (keeper, child):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process a user of its own")
def test_as_root_the_process_has_its_own_user_no_groups_and_no_way_back(folder):
    user = 275_000
    code = "setsid sleep 600 & id -u; id -G; grep -E '^(NoNewPrivs|CapEff)' /proc/self/status; sleep 600"
    shim.keep(folder, Order("test", ("/bin/sh", "-c", code), ENV, "/", uid=user))
    printed = until(lambda: (t := shim.log_tail(folder)).count("\n") == 4 and t).split()
    assert printed == [str(user), str(user), "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    until(lambda: _of_user(user) == 3)
    shim.stop(folder, grace=1)
    assert _of_user(user) == 0  # also the one that had left the session


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process a user of its own")
def test_as_root_a_path_below_a_closed_folder_is_reached_and_its_neighbours_are_not(folder, tmp_path):
    closed = tmp_path / "closed"
    (closed / "a" / "mine").mkdir(parents=True)
    (closed / "secret").write_text("secret")
    (closed / "a" / "mine" / "file").write_text("found it")
    for path, mode in (
        (closed, 0o700),
        (closed / "a" / "mine", 0o755),
        (closed / "a" / "mine" / "file", 0o644),
    ):
        path.chmod(mode)
    code = f"cat {closed}/a/mine/file; ls {closed}; cat {closed}/secret; touch {closed}/x"
    order = Order(
        "test", ("/bin/sh", "-c", code), ENV, "/", uid=275_001, restart=False, reach=(str(closed / "a/mine"),)
    )
    shim.keep(folder, order)
    until(lambda: shim.status(folder).ended)
    said = shim.log_tail(folder)
    assert said.startswith("found ita\n")
    assert "secret: No such file" in said
    assert "x': Permission denied" in said
    assert closed.stat().st_mode & 0o777 == 0o700


def _in_session(pid, session):
    fields = proc.stat_of(pid)
    return bool(fields) and fields[0] != "Z" and int(fields[3]) == session


def _of_user(user):
    return sum(_owner(pid) == user for pid in _processes() if proc.start_of(pid) is not None)


def _owner(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}").stat().st_uid


def _marked(folder):
    found = []
    for pid in _processes():
        with suppress(OSError):
            if f"MARK={folder}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def _processes():
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
