"""A bare repository on this machine as a Git host: read at exact commits, reported to by notes.

Nothing is checked out, no setting of the repository runs anything, and what is too large is refused
before it is read. Commits are known by their full ids; no other name ever reaches git.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from service.adapters.repository import notes
from service.adapters.repository.places import place
from service.adapters.repository.running import Ended, Running, TooMuch, run
from service.ports import CommitStatus, PortError, Refused, Retry, Source, TreeEntry
from service.settings import Settings

NOTES = "refs/notes/segue"
MOST_FILES = 200_000
MOST_FILE = 128 << 20
MOST_NOTE = 1 << 20
_TRIES = 20  # of writing a note while others write notes, too
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SUBMODULE = 0o160000
_REF_FORMAT = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"
_DIFF = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
# What git says where an object itself is bad: asking again brings the same bytes.
_DAMAGED = re.compile(
    r"corrupt|inflate|bad object|bad tree|unable to (?:read|unpack|parse)|could not (?:read|parse)"
    r"|not a valid|too-short|malformed|hash mismatch|missing object|premature end|garbage"
)


class BareGit:
    """Reads one repository through git itself, a process for each question."""

    def __init__(self, source: Source, roots: tuple[Path, ...]) -> None:
        self._source = source
        self._roots = roots

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The source's repository. Where it lies is checked anew whenever it is read."""
        return cls(source, settings.git_roots)

    def refs(self) -> dict[str, str]:
        found = {}
        for line in self._ask("for-each-ref", f"--format={_REF_FORMAT}", "refs/heads", "refs/tags").split(
            b"\n"
        ):
            kind, oid, peeled_kind, peeled, name = (line.split(b" ") + [b""] * 5)[:5]
            if kind == b"tag":
                kind, oid = peeled_kind, peeled
            if kind == b"tag":  # a tag of a tag: git peels one here
                kind, oid = b"commit", self._peeled(oid)
            if kind == b"commit" and oid:
                found[name.decode("utf-8", "backslashreplace")] = oid.decode()
        return found

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]:
        root = self._oid(commit, folder)
        if root is None:
            return ()
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        return tuple(replace(entry, path=prefix + entry.path) for entry in self._entries(root, commit))

    def file(self, commit: str, path: str) -> bytes | None:
        oid = self._oid(commit, path)
        if oid is None:
            return None
        with self._run("cat-file", "--batch") as running:
            kind, content = self._object(running, oid, f"{path!r} of {commit}")
            return content if kind == "blob" else None

    def author(self, commit: str) -> str:
        self._known(commit)
        for line in self._ask("cat-file", "commit", commit).split(b"\n\n")[0].split(b"\n"):
            if line.startswith(b"author "):
                name, _, rest = line.removeprefix(b"author ").rpartition(b" <")
                email = rest.partition(b">")[0]
                return (name.strip() or email).decode("utf-8", "replace")
        raise Refused(f"commit {commit} names no author")

    def changed(self, before: str, after: str) -> tuple[str, ...] | None:
        if not all(map(self._has, (before, after))):
            return None
        try:
            ended = self._run_whole(*_DIFF, "--ignore-submodules=none", before, after, "--")
        except TooMuch:
            return None
        if ended.status != 0:
            raise self._fault(ended)
        return tuple(_text(path) for path in ended.out.split(b"\0")[:-1])

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:
        root = self._oid(commit, folder)
        if root is None:
            raise Refused(f"there is no folder {folder!r} in commit {commit}")
        entries = self._entries(root, commit)
        with self._run("cat-file", "--batch") as running:
            for entry in entries:
                if entry.mode == _SUBMODULE:
                    yield entry, b""
                    continue
                _, content = self._object(running, entry.oid, f"{entry.path!r} of {commit}")
                yield entry, content

    def report(self, status: CommitStatus) -> None:
        """Write the status into the commit's note; readable with `git notes --ref=segue show`."""
        self._known(status.commit)
        for _ in range(_TRIES):
            tip = self._tip()
            note = self._note(status.commit)
            wanted = notes.put(note, status)
            if wanted == note:
                return
            if len(wanted) > MOST_NOTE:
                raise Refused(f"the note on {status.commit} is longer than {MOST_NOTE}; shorten it by hand")
            ended = self._run_whole(
                "fast-import", "--quiet", "--done", "--date-format=raw", data=_import(status, wanted, tip)
            )
            if ended.status == 0:
                return
            if self._tip() == tip:
                raise Retry(f"the note on {status.commit} cannot be written: {ended.said}", 5.0)
        raise Retry(f"the notes of {self._source.url} are being written by others", 1.0)

    def default_branch(self) -> str:
        ended = self._run_whole("symbolic-ref", "HEAD")
        if ended.status == 0:
            return _text(ended.out.rstrip(b"\n"))
        if "not a symbolic ref" in ended.said:
            raise Refused(
                f"HEAD of {self._source.url} names no branch; name the one that counts, for example with:"
                " git symbolic-ref HEAD refs/heads/main"
            )
        raise self._fault(ended)

    # --- objects -------------------------------------------------------------------------------

    def _oid(self, commit: str, path: str) -> str | None:
        """The object at a path of a commit; None where there is none."""
        self._known(commit)
        names = path.strip("/").split("/") if path.strip("/") else []
        if "\0" in path or any(name in {"", ".", ".."} for name in names):
            return None
        ended = self._run_whole("rev-parse", "--verify", "--quiet", f"{commit}:{'/'.join(names)}")
        if ended.status != 0 and ended.said:
            raise self._fault(ended)
        return ended.out.decode().strip() or None

    def _entries(self, root: str, commit: str) -> tuple[TreeEntry, ...]:
        try:
            ended = self._run_whole("ls-tree", "-r", "-z", "-l", root)
        except TooMuch:
            raise Refused(_too_many(commit)) from None
        if "not a tree object" in ended.said:
            return ()  # a file, where a folder was asked for
        if ended.status != 0:
            raise self._fault(ended)
        lines = ended.out.split(b"\0")[:-1]
        if len(lines) > MOST_FILES:
            raise Refused(_too_many(commit))
        return tuple(map(_entry, lines))

    def _object(self, running: Running, oid: str, what: str) -> tuple[str, bytes]:
        """An object's kind and content, asked of `cat-file --batch`."""
        running.send(f"{oid}\n".encode())
        words = running.line().decode("utf-8", "replace").split(" ")
        if len(words) != 3:
            raise self._fault(
                Ended(running.wait() if words == [""] else 0, b"", running.said or " ".join(words))
            )
        _, kind, size = words
        if int(size) > MOST_FILE:
            raise Refused(
                f"{what} has {size} bytes; at most {MOST_FILE >> 20} MiB are read from a repository:"
                " keep models and data in a registry"
            )
        content = running.exactly(int(size) + 1)
        if len(content) != int(size) + 1:
            running.wait()
            raise self._fault(Ended(0, b"", running.said or f"{what} ends early"))
        return kind, content[:-1]

    def _has(self, commit: str) -> bool:
        """Whether the repository has the commit. Raises `Refused` for what is no commit's id."""
        if not _COMMIT.fullmatch(commit):
            raise Refused(f"{commit!r} is no commit; write its whole id, 40 or 64 letters of 0-9 and a-f")
        ended = self._run_whole("cat-file", "--batch-check", data=f"{commit}\n".encode())
        if ended.status != 0 or ended.said:
            raise self._fault(ended)
        return b" commit " in ended.out

    def _known(self, commit: str) -> None:
        if not self._has(commit):
            raise Refused(
                f"{self._source.url} has no commit {commit}: it was never pushed there, or was pushed"
                " over and then cleaned away; push it again"
            )

    def _peeled(self, tag: bytes) -> bytes:
        ended = self._run_whole("rev-parse", "--verify", "--quiet", f"{tag.decode()}^{{commit}}")
        return ended.out.strip()

    def _tip(self) -> str:
        return self._run_whole("rev-parse", "--verify", "--quiet", NOTES).out.decode().strip()

    def _note(self, commit: str) -> str:
        """The commit's note. Read before its tip is written, so that any change shows there."""
        listed = self._run_whole("notes", f"--ref={NOTES}", "list", commit)
        if listed.status != 0:
            return ""
        with self._run("cat-file", "--batch") as running:
            _, content = self._object(running, listed.out.decode().strip(), f"the note on {commit}")
        return _text(content)

    # --- processes -----------------------------------------------------------------------------

    def _run(self, *words: str) -> Running:
        return Running(place(self._source, self._roots), *words)

    def _run_whole(self, *words: str, data: bytes = b"") -> Ended:
        return run(place(self._source, self._roots), *words, data=data)

    def _ask(self, *words: str) -> bytes:
        try:
            ended = self._run_whole(*words)
        except TooMuch:
            raise Refused(f"git {words[0]} on {self._source.url} prints more than can be used") from None
        if ended.status != 0:
            raise self._fault(ended)
        return ended.out

    def _fault(self, ended: Ended) -> PortError:
        """What a failed command means: gone or busy for now, or damaged for good."""
        folder = place(self._source, self._roots)
        said = ended.said.splitlines()[-1] if ended.said else f"git ended with status {ended.status}"
        if _DAMAGED.search(ended.said):
            return Refused(f"{self._source.url} is damaged ({said}); look with: git --git-dir={folder} fsck")
        return Retry(f"{self._source.url} cannot be read now ({said})", 5.0)


def _entry(line: bytes) -> TreeEntry:
    facts, _, path = line.partition(b"\t")
    mode, _, oid, size = facts.split()
    return TreeEntry(_text(path), oid.decode(), int(mode, 8), 0 if size == b"-" else int(size))


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


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _too_many(commit: str) -> str:
    return f"commit {commit} has more than {MOST_FILES} files; keep data out of the repository"
