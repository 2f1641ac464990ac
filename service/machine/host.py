"""Keeps a SQLite store on one host: its locks and shared memory mean nothing to a second kernel.

Every process holds a shared lock on the file `host` beside the stores, which names the kernel that
is running them. While anybody holds it, a process of another kernel is refused; once nobody does,
the next one takes the stores over, so that a moved disk or a rebooted machine needs no help.
"""

import fcntl
import json
import os
import random
import socket
import time
from pathlib import Path

from service.errors import StoreRefused

NETWORK = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
        "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs",
    }
)  # fmt: skip
_PATIENCE = 40  # tries of about 50 ms: as long as two newcomers may be in each other's way


def refuse_network_file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Raises `StoreRefused` where the folder lies on a file system that other hosts write, too."""
    if not mounts.exists():
        return
    kind = _file_system(folder.resolve(), mounts.read_text())
    if kind in NETWORK:
        raise StoreRefused(
            f"{folder} is on a network file system ({kind}), where SQLite can lose data; set SEGUE_HOME to"
            " a folder on a local disk, or SEGUE_DATABASE to a PostgreSQL URL"
        )


def stay(folder: Path, kernel: str | None = None) -> int:
    """Hold the folder for this kernel. Returns a file descriptor: closing it lets go."""
    kernel = kernel or this_kernel()
    descriptor = os.open(folder / "host", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(_PATIENCE):
            if _shared(descriptor) and _written(descriptor).get("kernel") == kernel:
                return descriptor
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            if _alone(descriptor):
                _write(descriptor, kernel)
                continue
            time.sleep(random.uniform(0.02, 0.08))  # noqa: S311  only to get out of step
    except BaseException:  # the lock goes with the descriptor, whatever ends the wait
        os.close(descriptor)
        raise
    other = _written(descriptor).get("name", "another host")
    os.close(descriptor)
    raise StoreRefused(
        f"{folder} is in use by {other}; SQLite stores serve one host. Stop Segue there, or set"
        " SEGUE_DATABASE to a PostgreSQL URL for both"
    )


def this_kernel() -> str:
    """The running kernel's own id: the same in all its containers, new at every boot."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.exists() else socket.gethostname()


def _file_system(folder: Path, mountinfo: str) -> str:
    """The type of the mount that holds the folder: the longest mount point above it, the last of equals."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")  # spaces are written as \040
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


def _shared(descriptor: int) -> bool:
    return _flock(descriptor, fcntl.LOCK_SH)


def _alone(descriptor: int) -> bool:
    return _flock(descriptor, fcntl.LOCK_EX)


def _flock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _written(descriptor: int) -> dict[str, str]:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(descriptor: int, kernel: str) -> None:
    text = json.dumps({"kernel": kernel, "name": socket.gethostname()}) + "\n"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
    os.fsync(descriptor)
