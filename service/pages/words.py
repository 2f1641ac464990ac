"""Times, shares and digests as the page writes them: text out of numbers, for templates. No I/O."""

import time
from collections.abc import Callable
from typing import Any

from service.reporting import words

TONES = {
    "promoted": "good",
    "already there": "good",
    "rolled back": "bad",
    "failed": "bad",
    "refused": "bad",
    "rejected": "bad",
    "restoring": "bad",
    "aborted": "hold",
    "approval": "asks",
    "shadowing": "moves",
    "shifting": "moves",
    "watching": "moves",
    "starting": "moves",
    "checking": "moves",
    "on its way": "moves",
    "paused": "hold",
    "serves": "good",
    "proven": "good",
    "answers": "good",
    "in trouble": "bad",
    "given up": "bad",
}
VERDICTS = {"harm": "bad", "suspect": "hold", "cleared": "good"}
STATES = {"done": "good", "dead": "bad", "waiting": "hold"}


def utc(at: float) -> str:
    """2026-01-31 14:03:07 UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def iso(at: float) -> str:
    """The same for machines."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def ago(at: float, now: float) -> str:
    """How long before `now`."""
    return "just now" if now - at < 5 else f"{lasted(now - at)} ago"


def lasted(seconds: float) -> str:
    """A span of time in the largest fitting unit, whole: 40 s, 12 min."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def percent(value: float) -> str:
    """A weight: 12.5 %."""
    return f"{value:.3g} %"


def short(digest: str | None) -> str:
    """The beginning of a digest, a commit or a key: enough to tell it from others."""
    text = (digest or "").removeprefix("sha256:")
    return text[:12]


def first_line(text: str | None) -> str:
    """What of a text stands in a list."""
    lines = (text or "").splitlines()
    return lines[0] if lines else ""


def tone(word: str) -> str:
    """The class that a phase, a verdict or a state is shown in."""
    return TONES.get(word) or VERDICTS.get(word) or STATES.get(word) or "calm"


def number(value: Any) -> str:
    """A measured number, short."""
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value)


FILTERS: dict[str, Callable[..., Any]] = {
    "utc": utc,
    "iso": iso,
    "ago": ago,
    "lasted": lasted,
    "percent": percent,
    "short": short,
    "first_line": first_line,
    "tone": tone,
    "number": number,
    "times": words.times,
    "many": words.many,
}
