"""The key that images are signed with: made once, replaced when it must be, shown by its public half only.

An image keeps the signature that it has. What a replaced key signed therefore stays trusted as ours until
its public half is taken out of the file of the keys before.
"""

import os
import tempfile
from pathlib import Path

from service import keys
from service.engine.trusting import KEY, KEYS_BEFORE
from service.errors import StartError
from service.machine import installation
from service.settings import Settings


def public(settings: Settings) -> bytes:
    """The public key as PEM; the pair is made if there is none. Raises `StartError`."""
    if settings.secret(KEY) is None:
        _write(settings, KEY, keys.new())
    return _public(settings)


def replace(settings: Settings) -> bytes:
    """A new pair in the old one's place; its public key as PEM. Raises `StartError`."""
    if settings.secret(KEY) is not None:
        before = settings.secret(KEYS_BEFORE) or b""
        old = _public(settings).strip()
        if old not in before:  # first of all, so that no moment has images whose key nobody knows
            _write(settings, KEYS_BEFORE, b"\n".join(filter(None, (before, old))) + b"\n")
    _write(settings, KEY, keys.new())
    return _public(settings)


def _public(settings: Settings) -> bytes:
    try:
        return keys.public(settings.secret(KEY) or b"")
    except keys.KeyProblem as reason:
        raise StartError(f"the secret file {KEY} cannot be used: {reason}") from reason


def _write(settings: Settings, name: str, content: bytes) -> None:
    """Whole or not at all, and closed to others from the first byte."""
    installation.make_folders(settings.home)
    folder = settings.home / "secrets"
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(folder / name)
    except OSError as reason:
        raise StartError(
            f"{folder} cannot be written: {reason.strerror}; if it is a cluster's Secret, make the key with"
            f" SEGUE_HOME at a folder of yours, and put its file {name} into the Secret"
        ) from reason
