"""Reads a repository on this machine's disk at exact commits, through git itself.

Nothing is checked out, no setting of the repository runs anything, and what is too large is refused
before it is read. Commits are known by their full ids; no other name ever reaches git.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from service.adapters.repository.running import MOST_OUTPUT, Ended, Running, TooMuch, run
from service.ports.git import TreeEntry
from service.ports.outcomes import PortError, Refused, Retry

MOST_FILES = 200_000
MOST_FILE = 128 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TIME = re.compile(rb"> (-?[0-9]{1,15}) [+-][0-9]{4}$")
_TREE, _SUBMODULE = 0o040000, 0o160000
_REF_FORMAT = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"
_DIFF = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv",
         "--ignore-submodules=none")  # fmt: skip
# What git says where an object itself is bad: asking again brings the same bytes.
_DAMAGED = re.compile(
    r"(?i)corrupt|is empty|not a (?:tree object|valid)|inflate|bad (?:object|tree)|malformed|garbage"
    r"|(?:unable to|could not) (?:read|unpack|parse)|hash mismatch|missing object|premature end|too-short"
)


class Reader:
    """Reads one repository through git itself, a process for each question."""

    def __init__(self, name: str, folder: Callable[[], Path]) -> None:
        """`name` is what people know it by; `folder` finds it, anew whenever it is read."""
        self._name = name
        self._folder_of = folder

    def refs(self) -> dict[str, str]:
        found = {}
        for line in self.ask(
            None, "for-each-ref", f"--format={_REF_FORMAT}", "refs/heads", "refs/tags"
        ).split(b"\n"):
            kind, oid, peeled_kind, peeled, name = (line.split(b" ") + [b""] * 5)[:5]
            if kind == b"tag":
                kind, oid = peeled_kind, peeled
            if kind == b"tag":  # a tag of a tag: git peels one here
                kind, oid = b"commit", self._peeled(oid)
            if kind == b"commit" and oid:
                found[name.decode("utf-8", "backslashreplace")] = oid.decode()
        return found

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]:
        root = self._folder(commit, folder)
        if root is None:
            return ()
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        return tuple(replace(entry, path=prefix + entry.path) for entry in self._files(commit, root))

    def file(self, commit: str, path: str) -> bytes | None:
        found = self._at(commit, path)
        if found is None or found.mode in {_TREE, _SUBMODULE}:
            return None
        with self._run("cat-file", "--batch") as running:
            return self._content(running, found, commit)

    def author(self, commit: str) -> str:
        name, _, rest = self._said(commit, b"author").rpartition(b" <")
        found = (name.strip() or rest.partition(b">")[0]).decode("utf-8", "replace")
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in found)

    def committed(self, commit: str) -> int:
        told = _TIME.search(self._said(commit, b"committer"))
        if told is None:
            raise Refused(f"commit {commit} does not say when it was made")
        return max(0, int(told[1]))

    def changed(self, before: str, after: str) -> tuple[str, ...] | None:
        try:
            ended = self.run_whole(*_DIFF, checked(before), checked(after), "--")
        except TooMuch:
            return None
        if ended.status == 0:
            return tuple(text_of(path) for path in ended.out.split(b"\0")[:-1])
        if self.has(before) and self.has(after):
            raise self.fault(ended)
        return None

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:
        root = self._folder(commit, folder)
        if root is None:
            raise Refused(f"there is no folder {folder!r} in commit {commit}")
        entries = self._files(commit, root)
        with self._run("cat-file", "--batch") as running:
            for entry in entries:
                yield entry, b"" if entry.mode == _SUBMODULE else self._content(running, entry, commit)

    # --- objects -------------------------------------------------------------------------------

    def _said(self, commit: str, header: bytes) -> bytes:
        """One line of the commit's own head, such as the author's."""
        head = self.ask(commit, "cat-file", "commit", checked(commit)).split(b"\n\n")[0]
        for line in head.split(b"\n"):
            if line.startswith(header + b" "):
                return line.removeprefix(header + b" ")
        raise Refused(f"commit {commit} names no {header.decode()}")

    def _folder(self, commit: str, folder: str) -> str | None:
        """The tree of a folder of a commit; None where there is no folder of that name."""
        if not folder.strip("/"):
            return f"{checked(commit)}^{{tree}}"
        found = self._at(commit, folder)
        return found.oid if found is not None and found.mode == _TREE else None

    def _at(self, commit: str, path: str) -> TreeEntry | None:
        """What is at a path of a commit: a file, a folder, a link or a submodule."""
        root, names = f"{checked(commit)}^{{tree}}", path.strip("/").split("/")
        if "\0" in path or any(name in {"", ".", ".."} for name in names):
            return None  # git would follow them; no tree holds such names
        found = self.ask(commit, "ls-tree", "-z", "-l", root, "--", "/".join(names))
        return self._entry(found.removesuffix(b"\0")) if found else None

    def _files(self, commit: str, root: str) -> tuple[TreeEntry, ...]:
        found: list[TreeEntry] = []
        size = 0
        with self._run("ls-tree", "-r", "-z", "-l", root) as running:
            while record := running.until(b"\0"):
                size += len(record)
                if len(found) == MOST_FILES or size > MOST_OUTPUT:
                    raise Refused(
                        f"commit {commit} has more than {MOST_FILES} files, or their names more than"
                        f" {MOST_OUTPUT >> 20} MiB; keep data out of the repository"
                    )
                found.append(self._entry(record))
            ended = Ended(running.wait(), b"", running.said)
        if ended.status != 0:
            self.known(commit)
            raise self.fault(ended)
        return tuple(found)

    def _entry(self, record: bytes) -> TreeEntry:
        facts, _, path = record.partition(b"\t")
        mode, _, oid, size = facts.split()
        if size == b"BAD":  # what ls-tree says of an object that it cannot read
            raise self.fault(Ended(0, b"", f"missing object {oid.decode()}, {text_of(path)!r}"))
        return TreeEntry(text_of(path), oid.decode(), int(mode, 8), 0 if size == b"-" else int(size))

    def _content(self, running: Running, entry: TreeEntry, commit: str) -> bytes:
        """A file's content, asked of `cat-file --batch`."""
        if entry.size > MOST_FILE:
            raise Refused(
                f"{entry.path!r} of commit {commit} has {entry.size} bytes; at most {MOST_FILE >> 20} MiB"
                " are read from a repository: keep models and data in a registry"
            )
        running.send(f"{entry.oid}\n".encode())
        head = running.until(b"\n")
        content = running.exactly(entry.size + 1)
        if head != f"{entry.oid} blob {entry.size}".encode() or len(content) != entry.size + 1:
            raise self.fault(Ended(running.wait() if not head else 0, b"", running.said or text_of(head)))
        return content[:-1]

    def has(self, commit: str) -> bool:
        """Whether the repository has the commit. Raises `Refused` for what is no commit's id."""
        ended = self.run_whole("cat-file", "--batch-check", data=f"{checked(commit)}\n".encode())
        if ended.status != 0 or ended.said:
            raise self.fault(ended)
        return b" commit " in ended.out

    def known(self, commit: str) -> None:
        if not self.has(commit):
            raise Refused(
                f"{self._name} has no commit {commit}: it was never pushed there, or was pushed"
                " over and then cleaned away; push it again"
            )

    def _peeled(self, tag: bytes) -> bytes:
        ended = self.run_whole("rev-parse", "--verify", "--quiet", f"{tag.decode()}^{{commit}}")
        return ended.out.strip()

    # --- processes -----------------------------------------------------------------------------

    def _run(self, *words: str) -> Running:
        return Running(self._folder_of(), *words)

    def run_whole(self, *words: str, data: bytes = b"") -> Ended:
        return run(self._folder_of(), *words, data=data)

    def ask(self, commit: str | None, *words: str) -> bytes:
        """What a command prints that reads from a commit, or from none in particular."""
        ended = self.run_whole(*words)
        if ended.status != 0:
            if commit is not None:
                self.known(commit)
            raise self.fault(ended)
        return ended.out

    def fault(self, ended: Ended) -> PortError:
        """What a failed command means: gone or busy for now, or damaged for good."""
        folder = self._folder_of()
        said = ended.said.splitlines()[-1] if ended.said else f"git ended with status {ended.status}"
        if _DAMAGED.search(ended.said):
            return Refused(f"{self._name} is damaged ({said}); look with: git --git-dir={folder} fsck")
        owner = folder.stat().st_uid
        return Retry(f"{self._name} cannot be read now ({said}); can its owner, user {owner}, reach it?", 5.0)


def checked(commit: str) -> str:
    """The id of a commit, and never an option or any other name."""
    if not _COMMIT.fullmatch(commit):
        raise Refused(f"{commit!r} is no commit; write its whole id, 40 or 64 letters of 0-9 and a-f")
    return commit


def text_of(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
