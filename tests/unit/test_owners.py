"""Who holds a lease, and whether it is known to be dead."""

import subprocess
import sys

from service.store import owners


def named_by_a_process(*, ended):
    code = "import sys; from service.store import owners; print(owners.name_of_this_process('w'), flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    name = process.stdout.readline().strip()
    if ended:
        process.kill()
        process.wait()
    return process, name


def test_a_process_that_was_killed_is_gone_and_a_living_one_is_not():
    living, name = named_by_a_process(ended=False)
    dead, other = named_by_a_process(ended=True)
    try:
        assert owners.gone([name, other, owners.name_of_this_process("w")]) == [other]
    finally:
        for process in (living, dead):
            process.kill()
            process.communicate()


def test_of_other_hosts_and_other_names_nothing_is_known():
    host, boot, space, pid, start, kind = owners.name_of_this_process("w").split("/")
    elsewhere = f"elsewhere/{boot}/{space}/1/{start}/{kind}"
    before = f"{host}/another boot/{space}/{pid}/{start}/{kind}"
    assert owners.gone([elsewhere, before, "w1", "a/b/c", ""]) == []
    reused = f"{host}/{boot}/{space}/{pid}/1/{kind}"
    assert owners.gone([reused]) == [reused]
