"""The text of Segue's own comments: a mark that nobody else can make, and below it what is said.

A report stands in a fence, in the form of a commit's note, so that nothing in it is markup, mentions
anybody or begins a line as a command does.
"""

import hashlib
import hmac
import re
from dataclasses import replace

from service.adapters.repository import notes
from service.ports.git import CommitStatus

MOST = 60_000  # characters of a comment where a host says nothing less; GitHub takes 65,536
MOST_TEXT = 16_000  # of one status
_REPORT = re.compile(r"(?P<fence>`{3,})text\n(?P<note>.*)\n(?P=fence)\s*", re.DOTALL)
_TICKS = re.compile(r"`+")


def mark(key: bytes, page: str, where: str, name: str) -> str:
    """What tells the comment of that name apart from all others at this place. Every comment of ours begins
    with `<!-- segue`, and so holds no command."""
    message = f"{page}\n{where}\n{name}".encode()
    return f"<!-- segue {hmac.new(key, message, hashlib.sha256).hexdigest()[:32]} -->"


def said(marked: str, text: str, most: int = MOST) -> str:
    """A comment with this text."""
    return f"{marked}\n{_cut(text, most)}"


def reported(marked: str, before: str, status: CommitStatus, most: int = MOST) -> str:
    """The comment with this status in its key's place; `before` is the comment as it was, or ""."""
    found = _REPORT.search(before)
    short = replace(status, text=_cut(status.text, MOST_TEXT))
    note = notes.put(found["note"] + "\n" if found else "", short).rstrip("\n")
    if len(note) > most:
        note = notes.put("", short).rstrip("\n")
    return f"{marked}\n{_fence(note)}"


def fenced(text: str) -> str:
    """Text of others in a fence that nothing in it ends."""
    return _fence(notes.plain(_cut(text, MOST_TEXT)).rstrip("\n"))


def _fence(text: str) -> str:
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def note_of(comment: str) -> str:
    """What a report's comment says, without what stands around it; "" where it is none."""
    found = _REPORT.search(comment)
    return found["note"] if found else ""


def line(text: str, most: int) -> str:
    """Text as one visible line of at most so many characters."""
    plain = notes.plain(" ".join(text.split()))
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}\n… cut at {most} characters"
