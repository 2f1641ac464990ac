"""Images by name: where one lives, and which of the tags that match a pattern is the newest.

The order is told by the tags themselves where they can tell it, else by when their images were made.
What neither tells is not guessed: a wrong guess would serve an old version.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

_HUB = "docker.io"
_WILD = re.compile(r"[*?]")
_VERSION = re.compile(r"[vV]?(\d+(?:\.\d+)+)(?:-([0-9A-Za-z.-]+))?")
_NUMBERS = re.compile(r"(?:^|[-_.])(\d+(?:[-_.T]\d+)*)Z?$")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
# What signers keep beside an image under a tag of its own (OCI referrers' tag schema, cosign).
_REFERRER = re.compile(r"sha256-[0-9a-f]{64}(?:\.\w+)?")


@dataclass(frozen=True, slots=True)
class Made:
    """The image that a tag names: its digest, and when it was made (Unix seconds), where it says so."""

    digest: str
    at: float | None


def place(repository: str) -> tuple[str, str]:
    """The registry's host and the repository's name there, by the rule that container engines have.

    `ghcr.io/acme/fraud` is at ghcr.io; `acme/fraud` is Docker Hub's, and `fraud` its library/fraud.
    """
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, name = first.lower(), rest
    else:
        host, name = _HUB, repository
    if host == "index.docker.io":
        host = _HUB
    return host, f"library/{name}" if host == _HUB and "/" not in name else name


def matching(names: Iterable[str], pattern: str) -> tuple[str, ...]:
    """The tags that the pattern means, in the order of their names."""
    found = {name for name in names if _TAG.fullmatch(name) and fnmatchcase(name, pattern)}
    return tuple(sorted(name for name in found if name == pattern or not _REFERRER.fullmatch(name)))


def counted(names: tuple[str, ...], pattern: str) -> tuple[str, ...]:
    """Those of the matching tags that can be the newest.

    If one of them is a version with a dot (`1.4`, `v1.4.2`), what is no version is passed over, and so
    are pre-releases unless the pattern asks for them by a hyphen: `v*-rc*`.
    """
    if not _WILD.search(pattern):
        return names
    start = len(_fixed(pattern))
    versions = [(name, found) for name in names if (found := _VERSION.fullmatch(name[start:]))]
    if not versions:
        return names
    return tuple(name for name, found in versions if "-" in pattern[start:] or not found[2])


def newest(names: tuple[str, ...], pattern: str) -> str | None:
    """The newest of the tags that count, by what they say themselves; None where they do not say it.

    Versions are compared as Semantic Versioning has it. Tags that end with a number, or with several
    as a date has them, are compared by those. What is compared begins where the pattern stops being
    fixed: `main-*` compares 42 and 43.
    """
    if len(names) < 2:
        return names[0] if names else None
    start = len(_fixed(pattern))
    versions = {name: found for name in names if (found := _VERSION.fullmatch(name[start:]))}
    if len(versions) == len(names):
        return max(names, key=lambda name: (_precedence(versions[name]), name))
    numbers = {name: _numbers(name[start:]) for name in names}
    lengths = {len(found) for found in numbers.values()}
    if len(lengths) == 1 and 0 not in lengths:
        return max(names, key=lambda name: (numbers[name], name))
    return None


def latest(made: Mapping[str, Made]) -> str | None:
    """The tag whose image was made last; None where no image says when, or two claim the same time."""
    dated = {name: one.at for name, one in made.items() if one.at is not None}
    if not dated:
        return max(made) if len({one.digest for one in made.values()}) == 1 else None
    last = max(dated.values())
    names = [name for name, at in dated.items() if at == last]
    return max(names) if len({made[name].digest for name in names}) == 1 else None


def _fixed(pattern: str) -> str:
    """What all matching tags begin with, up to where a number or version may begin: `main-` of `main-20*`."""
    found = _WILD.search(pattern)
    return re.sub(r"(?:(?<![0-9A-Za-z])[vV])?[0-9.]*$", "", pattern[: found.start()] if found else pattern)


def _precedence(found: re.Match[str]) -> tuple[object, ...]:
    """Semantic Versioning 2.0, item 11: a pre-release comes before its version, numbers before words."""
    numbers = [int(digits) for digits in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 1.4 and 1.4.0 are one version
    words = found[2].split(".") if found[2] else []
    parts = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in words)
    return tuple(numbers), not words, parts


def _numbers(rest: str) -> tuple[int, ...]:
    found = _NUMBERS.search(rest)
    return tuple(int(digits) for digits in re.split(r"[-_.T]", found[1])) if found else ()
