"""Commits to a bare repository on this machine."""

from pathlib import Path
from typing import Self

from service.adapters.bare_git import BareGit
from service.adapters.repository.places import place
from service.adapters.repository.running import Ended, run
from service.adapters.repository.writing import Writer
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.settings import Settings


class BareWriter(Writer):
    """Writes to one repository through git itself; what it reads, it reads as any Git host."""

    def __init__(self, source: Source, roots: tuple[Path, ...]) -> None:
        super().__init__(source.url, BareGit(source, roots))
        self._source = source
        self._roots = roots

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The source's repository. Where it lies is checked anew whenever it is read or written."""
        return cls(source, settings.git_roots)

    def _move(self, branch: str, tip: str, made: bytes) -> str | None:
        ended = self._run("fast-import", "--quiet", "--done", data=made)
        commit = ended.out.decode().strip()
        moved = self._run("update-ref", f"refs/heads/{branch}", commit, tip) if commit else ended
        if moved.status == 0:
            return commit
        if self.tip(branch) == tip:
            raise Retry(f"nothing can be committed to {self._source.url}: {moved.said[-500:]}", 5.0)
        return None

    def _run(self, *words: str, data: bytes = b"") -> Ended:
        return run(place(self._source, self._roots), *words, data=data)
