"""A build's process gives up what it does not need before it reads anything of others.

In a mount namespace of its own only logins lie in the folder of secrets, and the rights to look beside it
are dropped: at other processes' view of the disk, at raw devices, at its mounts. Where the system does not
let a process do that to itself, as in most containers, nothing changes, and the caller says so.
https://man7.org/linux/man-pages/man7/mount_namespaces.7.html, user_namespaces(7) and capabilities(7).
"""

import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_NOSUID, _NODEV, _NOEXEC, _REC, _PRIVATE = 2, 4, 8, 0x4000, 1 << 18
_NO_NEW_PRIVS, _DROP_BOUNDING = 38, 24  # of prctl
_CAPABILITIES = 0x20080522  # their version 3
# What root needs to write where it may write: chown, dac_override, fowner, fsetid, kill, setgid, setuid.
_KEPT = frozenset({0, 1, 3, 4, 5, 6, 7})
_LAST = Path("/proc/sys/kernel/cap_last_cap")


def seclude(secrets: Path, needed: Callable[[str], bool]) -> str:
    """Have only the secrets with a needed name in reach of this process and its children.

    "" if that is so now, else why it could not be done. To be called before there is a second thread.
    """
    if not secrets.is_dir():
        return ""
    kept = {
        path.name: path.read_bytes() for path in secrets.iterdir() if needed(path.name) and path.is_file()
    }
    try:
        _try_it()
        _leave()
        options = _NOSUID | _NODEV | _NOEXEC
        _call("mount", b"tmpfs", os.fsencode(secrets), b"tmpfs", options, b"mode=0700,size=1m")
        for name, content in kept.items():
            (secrets / name).write_bytes(content)
            (secrets / name).chmod(0o600)
        _drop(_KEPT if os.geteuid() == 0 else frozenset())
    except OSError as error:
        return f"this system does not let a build hide secrets from itself: {error.strerror}"
    return ""


def _try_it() -> None:
    """In a child: where only half of it is allowed, this process must not have gone half of the way."""
    child = os.fork()
    if child == 0:
        try:
            _leave()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number != 0:
        raise OSError(number, os.strerror(number) if number > 0 else "its trial was ended")


def _leave() -> None:
    """A mount namespace of our own, for which a plain user needs a user namespace, too."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEWNS if user == 0 else _NEWUSER | _NEWNS)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _call("mount", None, b"/", None, _REC | _PRIVATE, None)


def _drop(kept: frozenset[int]) -> None:
    """All capabilities but these, for good."""
    for number in range(int(_LAST.read_text()) + 1):
        if number not in kept:
            _call("prctl", _DROP_BOUNDING, number, 0, 0, 0)
    low = sum(1 << number for number in kept)
    header, sets = struct.pack("<Ii", _CAPABILITIES, 0), struct.pack("<6I", low, low, 0, 0, 0, 0)
    _call("capset", header, sets)
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)


def _call(name: str, *arguments: bytes | int | None) -> None:
    """A function of the C library that answers 0 if all went well."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    given = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    if function(*given) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
