"""Where a repository lies on a host, from the address that an operator connected.

Nothing else is ever spoken to: addresses within a host's answers, such as those of further pages, are
never gone to.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from service.ports.outcomes import Refused

_PART = re.compile(r"(?!~?\.)~?[A-Za-z0-9_.-]{1,100}")  # `~ann` is a person's own project at a Data Center
_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Address:
    """`base` is the host itself, as in https://git.example, with the folder that it may live in; `path` the
    repository's, as in acme/models."""

    base: str
    path: str

    @property
    def git(self) -> str:
        """What git fetches from."""
        return f"{self.base}/{self.path}.git"

    @property
    def page(self) -> str:
        """What people know the repository by."""
        return f"{self.base}/{self.path}"


def parse(url: str, *, groups: bool = False, below: bool = False, least: int = 2) -> Address:
    """The address of a repository `owner/name`, or with `least` 1 of an owner. `groups`: owners may lie
    within owners. `below`: the host may live in a folder of its server. Raises `Refused` with what to write.
    """
    plain = url if url.isprintable() and not set(url) & {" ", "\\"} else ""  # what parsers differ about
    try:
        parts = urlsplit(plain)
        usable = parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        usable = False
    if usable and "@" in parts.netloc:
        raise Refused(
            f"leave the login out of {_without_login(url)}; write a token into the secret file login-<source>"
        )
    names = parts.path.strip("/").removesuffix(".git").split("/") if usable else []
    many = len(names) >= least if groups or below else len(names) == least
    if not many or parts.query or parts.fragment or not _HOST.fullmatch(parts.netloc):
        names = []
    if not names or not all(map(_PART.fullmatch, names)):
        what, such_as = ("organisation", "acme") if least == 1 else ("repository", "acme/models")
        raise Refused(
            f"{_without_login(url)!r} is no {what}'s address; write the one of its page, such as"
            f" https://git.example/{such_as}"
        )
    folder = names[:-least] if below else []
    return Address("/".join([f"{parts.scheme}://{parts.netloc}", *folder]), "/".join(names[len(folder) :]))


def _without_login(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else url.rpartition("@")[2]
