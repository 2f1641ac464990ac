"""What a pod is told to copy, as one variable of its container, and what its list of sums says. No I/O."""

import json
import re
from dataclasses import dataclass

from service.adapters.oci.layers import safe
from service.ports.outcomes import Refused

VARIABLE = "SEGUE_WEIGHTS"
LIST = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True, slots=True)
class Order:
    """Copy the folder at `url` to `path`, as the list says whose SHA-256 is `sums`."""

    url: str
    sums: str
    path: str


def write_order(url: str, sums: str, path: str) -> str:
    """The order as JSON."""
    return json.dumps({"url": url, "sums": sums, "path": path})


def read_order(text: str) -> Order:
    """The order that `write_order` wrote."""
    return Order(**json.loads(text))


def listed(text: str) -> dict[str, str]:
    """The SHA-256 of each file, by its path in the folder: the lines that `sha256sum` prints.

    Raises `Refused` for a line that is none, and for a path that leaves the folder.
    """
    found: dict[str, str] = {}
    for line in filter(None, text.splitlines()):
        read = _LINE.fullmatch(line)
        if read is None:
            raise Refused(f"{LIST} has a line that sha256sum does not print: {line[:80]!r}")
        found[safe(read[2].removeprefix("./"))] = read[1]
    if not found:
        raise Refused(f"{LIST} names no file")
    return found
