"""All stores of an installation together: made or migrated, and the SQLite ones copied and put back.

A backup is taken while Segue runs. It holds the three stores, the secrets and the list of sources:
everything that cannot be made again, but for what serves on this machine.
"""

import os
import sqlite3
import tarfile
import tempfile
from pathlib import Path

from service.errors import StartError
from service.identity import tokens
from service.machine import installation
from service.settings import Settings
from service.store.inbox import Inbox
from service.store.series import Series
from service.store.store import Store

# In this order: what a later copy has more is taken up or told again. Increments of a release that the
# engine's copy does not know would be taken for those of the next one with its number; deliveries that
# the engine's copy has and the inbox's lacks would be lost.
ORDER = ("series", "engine", "inbox")
BESIDE = ("secrets", "sources.json")
SHORTEST_TOKEN = 32


def make(settings: Settings) -> None:
    """Make or migrate the stores, and have the operator's token valid: the given one, else a new one.

    Raises `StartError` for a given token that is too short, or one that cannot be written.
    """
    store = Store.open(settings.store_url("engine"))
    Inbox.open(settings.store_url("inbox")).close()
    Series.open(settings.store_url("series")).close()
    given = (settings.secret(installation.TOKEN) or b"").decode()
    if not given:
        _write_token(settings, tokens.make(store, tokens.OPERATOR))
    elif len(given) < SHORTEST_TOKEN:
        raise StartError(f"the secret {installation.TOKEN} needs {SHORTEST_TOKEN} characters or more")
    elif tokens.actor(store, f"Bearer {given}") is None:
        tokens.take(store, tokens.OPERATOR, given)
    store.close()


def backup(settings: Settings, file: Path) -> None:
    """Write everything into one new archive. Raises `StartError` where that cannot be done."""
    _refuse_database(settings)
    if file.exists():
        raise StartError(f"{file} is there already; name a new file")
    with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".backup-") as scraps:
        whole = Path(scraps) / "whole.tar.gz"
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as tar:
            for owner in ORDER:
                copy = Path(scraps) / f"{owner}.db"
                _copy(settings.home / "stores" / f"{owner}.db", copy)
                tar.add(copy, f"stores/{owner}.db")
            for name in BESIDE:
                if (settings.home / name).exists():
                    tar.add(settings.home / name, name, filter=_plain)
            out.flush()
        whole.rename(file)


def restore(settings: Settings, file: Path) -> None:
    """Put a backup back into a home that has no stores yet. Raises `StartError` where it has some."""
    _refuse_database(settings)
    installation.make_folders(settings.home)
    if any((settings.home / "stores").glob("*.db")):
        raise StartError(f"{settings.home / 'stores'} holds stores already; move them away first")
    writable = os.access(settings.home / "secrets", os.W_OK)
    try:
        with tarfile.open(file) as tar:
            members = [one for one in tar if one.isfile() and _known(one.name)]
            if {f"stores/{owner}.db" for owner in ORDER} - {one.name for one in members}:
                raise StartError(f"{file} is no backup of Segue, or not whole")
            for member in members:
                if writable or not member.name.startswith("secrets/"):
                    _extract(tar, member, settings.home / member.name)
    except (OSError, tarfile.TarError, EOFError) as reason:
        raise StartError(f"{file} cannot be read as a backup: {reason}") from reason


def _write_token(settings: Settings, token: str) -> None:
    path = settings.home / "secrets" / installation.TOKEN
    try:
        path.touch(mode=0o600)
        path.write_text(token + "\n")
    except OSError as reason:
        raise StartError(
            f"{path} cannot be written: {reason.strerror}; put a random token of {SHORTEST_TOKEN} characters"
            " or more there"
        ) from reason


def _refuse_database(settings: Settings) -> None:
    if settings.database is not None:
        raise StartError(
            "the stores are in PostgreSQL: back up that database with pg_dump, and the secrets beside it"
        )


def _copy(source: Path, copy: Path) -> None:
    """One consistent copy of a database that others write meanwhile."""
    if not source.is_file():
        raise StartError(f"there is no {source}; nothing was started here yet")
    connection = sqlite3.connect(source, isolation_level=None, timeout=30)
    try:
        connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as reason:
        raise StartError(f"{source} cannot be copied: {reason}") from reason
    finally:
        connection.close()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without links to elsewhere, and without the folders that a mounted secret is made of."""
    hidden = "/." in member.name
    return None if hidden or not (member.isfile() or member.isdir()) else member


def _known(name: str) -> bool:
    folder, _, rest = name.partition("/")
    return name == "sources.json" or (folder in {"stores", "secrets"} and rest != "" and "/" not in rest)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    if content is not None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            while chunk := content.read(1 << 20):
                out.write(chunk)
