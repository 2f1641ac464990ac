"""A bare repository on this machine as a Git host: read at exact commits, reported to by notes."""

import time
from pathlib import Path
from typing import Self

from handlers.hints import CommentHint
from service.adapters.repository import notes
from service.adapters.repository.places import place
from service.adapters.repository.reading import Reader, text_of
from service.ports.connections import Source
from service.ports.git import CommitStatus, Permission
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

NOTES = "refs/notes/segue"
MOST_NOTE = 1 << 20
_TRIES = 20  # of writing a note while others write notes, too


class BareGit(Reader):
    """One repository, whose notes say how its commits fared."""

    def __init__(self, source: Source, roots: tuple[Path, ...]) -> None:
        super().__init__(source.url, lambda: place(source, roots))

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The source's repository. Where it lies is checked anew whenever it is read."""
        return cls(source, settings.git_roots)

    def report(self, status: CommitStatus) -> None:
        """Write the status into the commit's note; readable with `git notes --ref=segue show`."""
        self.known(status.commit)
        for _ in range(_TRIES):
            tip = self._tip()
            note = self._note(status.commit)
            wanted = notes.put(note, status)
            if wanted == note:
                return
            if len(wanted) > MOST_NOTE:
                raise Refused(f"the note on {status.commit} is longer than {MOST_NOTE}; shorten it by hand")
            ended = self.run_whole(
                "fast-import", "--quiet", "--done", "--date-format=raw", data=_import(status, wanted, tip)
            )
            if ended.status == 0:
                return
            if self._tip() == tip:
                raise Retry(f"the note on {status.commit} cannot be written: {ended.said}", 5.0)
        raise Retry(f"the notes of {self._name} are being written by others", 1.0)

    @property
    def fine_times(self) -> bool:
        return False

    def remarks(self, commit: str) -> tuple[CommentHint, ...]:
        """Nobody talks in a bare repository."""
        del commit
        return ()

    def default_branch(self) -> str:
        ended = self.run_whole("symbolic-ref", "HEAD")
        if ended.status == 0:
            return text_of(ended.out.rstrip(b"\n"))
        if "not a symbolic ref" in ended.said:
            raise Refused(
                f"HEAD of {self._name} names no branch; name the one that counts, for example with:"
                " git symbolic-ref HEAD refs/heads/main"
            )
        raise self.fault(ended)

    def may(self, login: str) -> Permission:
        """Nobody is known by a login: who may push is the file system's business."""
        del login
        return Permission.NONE

    def belongs(self, login: str, group: str) -> bool:
        """Nobody is known, so nobody is in a group."""
        del login, group
        return False

    def comment(self, where: str, key: str, text: str) -> None:
        del key, text
        raise Refused(f"there is no {where} to comment on in a bare repository")

    def _tip(self) -> str:
        return self.run_whole("rev-parse", "--verify", "--quiet", NOTES).out.decode().strip()

    def _note(self, commit: str) -> str:
        """The commit's note. Its tip was read before, so that a change since then is noticed there."""
        listed = self.run_whole("notes", f"--ref={NOTES}", "list", commit)
        if "no note found" in listed.said:
            return ""
        if listed.status != 0:
            raise self.fault(listed)
        return text_of(self.ask(commit, "cat-file", "blob", listed.out.decode().strip()))


def _import(status: CommitStatus, note: str, tip: str) -> bytes:
    """A commit on the notes' tip, as `fast-import` reads it; it refuses any tip but this one."""
    content = note.encode("utf-8", "surrogateescape")
    message = f"{status.key}: {status.state.value}".encode("utf-8", "backslashreplace")
    head = [f"commit {NOTES}", f"committer Segue <segue@localhost> {int(time.time())} +0000"]
    lines = [*(line.encode() for line in head), b"data %d" % len(message), message]
    if tip:
        lines.append(b"from " + tip.encode())
    lines += [f"N inline {status.commit}".encode(), b"data %d" % len(content), content, b"done"]
    return b"\n".join(lines) + b"\n"
