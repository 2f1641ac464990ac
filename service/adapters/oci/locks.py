"""Lock files: read strictly, before any installer sees them.

A lock file comes from a repository or a model, so it may say which packages, at which version, with
which hash, and nothing else: no index, no path, no URL, no option. Where packages come from is the
business of the machine that builds.
"""

import re
from dataclasses import dataclass

from service.ports.outcomes import Refused

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?P<extras>\[[A-Za-z0-9._, -]*\])?"
    r"\s*={2,3}\s*(?P<version>[A-Za-z0-9.!+_-]+)\s*(?:;\s*(?P<marker>(?:(?!--|://)[^;\\])+))?"
)
_HASH = re.compile(r"--hash[= ](sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?=\s|$)")
_HARMLESS = ("--require-hashes", "--only-binary")
_MAKE = "uv pip compile --generate-hashes --only-binary :all: {source} -o {lock}"


@dataclass(frozen=True, slots=True)
class Pin:
    """One package at one version."""

    line: str  # name, extras, version and marker, as the installer wants them
    name: str  # normalized
    hashes: tuple[str, ...]


def pins(content: bytes, path: str) -> tuple[Pin, ...]:
    """The pins of a requirements file. Raises `Refused` with the line that is none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{path} is not UTF-8 text") from None
    found = []
    for number, line in _logical(text):
        if line and not line.startswith(_HARMLESS):
            found.append(_pin(line, path, number))
    return tuple(found)


def hashed(found: tuple[Pin, ...], path: str) -> bool:
    """Whether all pins carry hashes; a file where only some do is refused."""
    missing = [pin.line for pin in found if not pin.hashes]
    if missing and len(missing) < len(found):
        raise Refused(f"{path}: no hash for {', '.join(missing[:5])}; {how_to_hash(path)}")
    return not missing


def how_to_hash(path: str) -> str:
    """What to type to get a lock file with hashes."""
    return "make one with: " + _MAKE.format(source="requirements.in", lock=path)


def written(found: tuple[Pin, ...]) -> str:
    """The pins as a requirements file of our own making."""
    ordered = sorted(found, key=lambda pin: pin.line)
    lines = [" ".join([pin.line, *(f"--hash={value}" for value in pin.hashes)]) for pin in ordered]
    return "\n".join(lines) + "\n"


def _pin(line: str, path: str, number: int) -> Pin:
    hashes = tuple(sorted(set(_HASH.findall(line))))
    bare = _HASH.sub("", line).strip()
    match = _PIN.fullmatch(bare)
    if match is None:
        raise Refused(
            f"{path}, line {number}: {bare[:100]!r} is not a pinned package; write name==version and its"
            " --hash=sha256:…, and leave indexes, paths and other options to the machine that builds"
        )
    marker = f" ; {match['marker'].strip()}" if match["marker"] else ""
    extras = (match["extras"] or "").replace(" ", "")
    name = re.sub(r"[-_.]+", "-", match["name"]).lower()
    return Pin(f"{name}{extras}=={match['version']}{marker}", name, hashes)


def _logical(text: str) -> list[tuple[int, str]]:
    """Lines without comments, with their continuations joined, by the number of their first line."""
    found: list[tuple[int, str]] = []
    open_line: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = "" if raw.lstrip().startswith("#") else re.sub(r"\s+#.*$", "", raw).strip()
        start, before = open_line or (number, "")
        more = line.endswith("\\")
        joined = f"{before} {line.removesuffix(chr(92))}".strip()
        open_line = (start, joined) if more else None
        if not more:
            found.append((start, joined))
    return [*found, open_line] if open_line else found
