"""What a build from a Dockerfile says when it fails, in people's words: pure functions of text.

Buildah's texts are no contract: what is not recognised is passed on as it came, shortened. The words
of 1.28 and of 1.40 and later were read.
"""

import json
import re

from service.adapters.kubernetes.reasons import short

_ERROR = re.compile(r"^Error: ", re.MULTILINE)
_ENDED = re.compile(r'building at STEP "(.+)": (?:while running runtime: )?exit status (\d+)$', re.DOTALL)
_STEP = re.compile(r'building at STEP "(.+?)": (.+)', re.DOTALL)
_BASE = re.compile(r"initializing source docker://(\S+): (.+)")
_SHORT_NAME = re.compile(r'short-name "([^"]+)" did not resolve')
_ABSENT = re.compile(r"manifest unknown|name unknown|not found|NAME_UNKNOWN", re.IGNORECASE)
_LOGIN = re.compile(r"unauthorized|authentication required|denied|forbidden", re.IGNORECASE)
_UNTRUSTED = re.compile(r"certificate signed by unknown authority")
_KILLED = "137"
_LONGEST = 300  # characters of a step


def explain(message: str) -> str | None:
    """Why the build failed, from what its last container said; None where it said nothing.

    `message` is the result of a step of ours, or the end of what Buildah printed.
    """
    told = _told(message)
    if told is not None:
        return told
    *_, last = _ERROR.split(message)
    return _words(last.strip()) if last != message else None


def _told(message: str) -> str | None:
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return str(found["failed"]) if isinstance(found, dict) and "failed" in found else None


def _words(error: str) -> str:
    if found := _SHORT_NAME.search(error):
        return (
            f"the base image {found[1]} is not named in full: write its registry, too, as in"
            f" docker.io/library/{found[1]}"
        )
    if found := _BASE.search(error):
        return f"the base image {found[1].rstrip(':')} cannot be pulled: {_pull(found[2])}"
    if found := _ENDED.search(error):
        killed = ", as what uses too much memory does" if found[2] == _KILLED else ""
        return f"the Dockerfile's step `{_shown(found[1])}` ended with exit code {found[2]}{killed}"
    if found := _STEP.search(error):
        return f"the Dockerfile's step `{_shown(found[1])}` failed: {short(found[2])}"
    return f"the Dockerfile cannot be built: {short(error)}"


def _pull(cause: str) -> str:
    if _UNTRUSTED.search(cause):
        told = "the authorities of a company are the key authorities.pem of the builder's Secret"
        return f"{short(cause)}; {told}"
    if _LOGIN.search(cause):
        return "it wants a login; the key bases.json of the builder's Secret holds those for bases"
    if _ABSENT.search(cause):
        return "the registry has none of this name"
    return short(cause)


def _shown(step: str) -> str:
    """The step on one line, at most so much of it as people read."""
    line = " ".join(step.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
