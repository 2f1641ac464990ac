"""The text of a commit's note: a section for each key, and whatever people wrote around them.

    [success] segue/wine/production: wine 3f9c was promoted
        cause: push of 3f9c to main

A section's text is indented; anything else is not ours and stays as it is.
"""

import re

from service.ports.git import CommitStatus

MOST_TEXT = 64 << 10
_HEADER = re.compile(r"\[(?:pending|success|failure)\] (?P<key>\S+): ")
_INDENT = "    "
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def put(note: str, status: CommitStatus) -> str:
    """The note with this status in its key's place: the one it had, or the end."""
    key, section = key_of(status.key), _section(status)
    lines = note.split("\n")
    starts = [at for at, line in enumerate(lines) if (m := _HEADER.match(line)) and m["key"] == key]
    if not starts:
        before = note.rstrip("\n")
        return (f"{before}\n\n" if before else "") + "\n".join(section) + "\n"
    for at in reversed(starts[1:]):
        del lines[at : _end(lines, at)]
    lines[starts[0] : _end(lines, starts[0])] = section
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(status: CommitStatus) -> list[str]:
    title = plain(" ".join(status.title.split()))
    text = status.text
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT]}\n… cut at {MOST_TEXT} characters"
    lines = [plain(line).rstrip() for line in text.strip("\n").split("\n")]
    indented = [_INDENT + line if line else "" for line in lines]
    return [
        f"[{status.state.value}] {key_of(status.key)}: {title}".rstrip(),
        *(indented if text.strip() else []),
    ]


def _end(lines: list[str], start: int) -> int:
    """Where the section that starts there ends; empty lines after its text are not part of it."""
    end = start + 1
    for at in range(start + 1, len(lines)):
        if lines[at].startswith(_INDENT):
            end = at + 1
        elif lines[at]:
            break
    return end


def key_of(key: str) -> str:
    """The key without what would end it early."""
    return re.sub(r"[\s:%]", lambda found: f"%{ord(found[0]):02X}", plain(key))


def plain(text: str) -> str:
    """Visible, whatever terminal prints it."""
    return _ODD.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
