"""SQLite stores stay on one host and off network file systems."""

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest

from service.errors import StoreRefused
from service.machine import host

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /home rw,relatime shared:5 - nfs4 nas:/home rw
31 30 0:26 / /home/local\\040disk rw - xfs /dev/sdb rw
32 22 0:27 / /mnt/windows rw - cifs //pc/share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"), [("/home/ann/segue", "nfs4"), ("/home", "nfs4"), ("/mnt/windows/x", "cifs")]
)
def test_a_network_file_system_is_refused_with_what_to_do_instead(tmp_path, folder, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    with pytest.raises(StoreRefused, match=rf"\({kind}\).*SEGUE_HOME.*SEGUE_DATABASE"):
        host.refuse_network_file_system(host.Path(folder), mounts)


@pytest.mark.parametrize("folder", ["/srv", "/home/local disk/segue", "/homes", "/"])
def test_a_local_disk_is_fine_even_below_a_network_file_system(tmp_path, folder):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    host.refuse_network_file_system(host.Path(folder), mounts)


def test_a_later_mount_on_the_same_place_counts(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS + "40 22 0:30 / /mnt/windows rw - ext4 /dev/sdc rw\n")
    host.refuse_network_file_system(host.Path("/mnt/windows"), mounts)


def test_where_mounts_are_not_known_nothing_is_refused(tmp_path):
    host.refuse_network_file_system(tmp_path, tmp_path / "nowhere")


@pytest.fixture
def impatient(monkeypatch):
    """Refuse after a few tries: nobody is about to let go."""
    monkeypatch.setattr(host, "_PATIENCE", 3)


@pytest.mark.usefixtures("impatient")
def test_processes_of_one_kernel_share_the_stores_and_another_kernel_is_refused(tmp_path):
    ours = [host.stay(tmp_path, "kernel-a") for _ in range(3)]
    with pytest.raises(StoreRefused, match=r"in use by .*; SQLite stores serve one host"):
        host.stay(tmp_path, "kernel-b")
    for descriptor in ours:
        os.close(descriptor)
    theirs = host.stay(tmp_path, "kernel-b")
    with pytest.raises(StoreRefused):
        host.stay(tmp_path, "kernel-a")
    os.close(theirs)


@pytest.mark.usefixtures("impatient")
def test_a_killed_process_does_not_hold_the_stores(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from service.machine import host;"
        f"host.stay(Path({str(tmp_path)!r}), 'kernel-a'); print('here', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    other.stdout.readline()
    with pytest.raises(StoreRefused):
        host.stay(tmp_path, "kernel-b")
    other.kill()
    other.communicate()
    os.close(host.stay(tmp_path, "kernel-b"))


def test_all_processes_that_start_together_after_a_reboot_get_in(tmp_path):
    os.close(host.stay(tmp_path, "before the reboot"))
    got, barrier = [], threading.Barrier(6)

    def start():
        barrier.wait()
        got.append(host.stay(tmp_path, "after the reboot"))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    for descriptor in got:
        os.close(descriptor)


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"[]", b'{"kernel": 7}'])
def test_a_damaged_host_file_that_nobody_holds_is_written_anew(tmp_path, content):
    (tmp_path / "host").write_bytes(content)
    os.close(host.stay(tmp_path, "kernel-a"))
    assert b'"kernel": "kernel-a"' in (tmp_path / "host").read_bytes()


def test_this_kernel_is_the_same_in_every_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(host.this_kernel) == host.this_kernel()
