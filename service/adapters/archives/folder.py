"""Files in a folder, such as one that is mounted from a server which lets nobody change them."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from service.ports.outcomes import Refused, Retry
from service.settings import Settings

# What link(2) answers where a file system has no hard links, as those of memory sticks and some servers.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FolderArchive:
    """One folder. It must be there: one that is not mounted must not be filled in its stead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def open(cls, settings: Settings, place: str) -> Self:
        """The folder at this whole path."""
        del settings
        return cls(Path(place))

    def put(self, name: str, content: bytes) -> None:
        if not self._folder.is_dir():
            raise Retry(f"the folder {self._folder} is not there; make or mount it", after=60)
        try:
            self._write(self._folder / name, content)
        except PermissionError:
            raise Refused(f"nothing may be written to {self._folder}: give Segue's user that right") from None
        except OSError as error:
            raise Retry(f"{self._folder} cannot be written: {error.strerror}", after=60) from None

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all, on the disk, and never over what is there."""
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, 0o444)
                os.fsync(descriptor)
            with suppress(FileExistsError):
                _name(Path(temporary), path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _name(temporary: Path, path: Path) -> None:
    """Give it its name; `FileExistsError` where something has it. Without hard links it is moved, which would
    go over what came in between: a file of this name that holds the same, since names hold a digest."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not path.exists():
            temporary.rename(path)
