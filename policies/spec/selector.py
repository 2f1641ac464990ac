"""Which counters of a metric source a guard reads: a name, and what labels must say, as Prometheus writes it.

A selector names counters and computes nothing from them: differences, sums over copies and shares are the
guard's own. It comes from whoever can push, and some sources are matched here, so its patterns are a small
part of regular expressions that cannot take long: words, `.`, `|`, and at most two of `.*` and `.+`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from policies.spec.wrong import Wrong

LONGEST = 500  # characters
_WHOLE = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"([^"\\\n]*)"\s*(?:,|$)')
_PATTERN = re.compile(r"(?:[A-Za-z0-9_/:@ -]|\.[*+]?|\|)*")
_STARS = 2
# What makes of a counter something that is none any more; a guard takes the differences itself.
_FUNCTION = re.compile(r"\b([a-z_]+)\s*(?:(?:by|without)\s*\([^)]*\)\s*)?\(")


@dataclass(frozen=True)
class Matcher:
    """What one label must say."""

    label: str
    sign: str  # =, !=, =~ or !~
    value: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.value)

    def fits(self, said: str) -> bool:
        """Whether the label's value is one of those; a label that is not there says nothing."""
        if self.sign in {"=", "!="}:
            return (said == self.value) == (self.sign == "=")
        return (self._pattern.fullmatch(said) is not None) == (self.sign == "=~")


@dataclass(frozen=True)
class Selector:
    """Counters by name and labels."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def fits(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a series is one of those."""
        return name == self.name and all(one.fits(labels.get(one.label, "")) for one in self.matchers)

    def __str__(self) -> str:
        inner = ",".join(f'{one.label}{one.sign}"{one.value}"' for one in self.matchers)
        return f"{self.name}{{{inner}}}" if inner else self.name


def read(text: str) -> Selector:
    """The selector in a text. Raises `Wrong` with what to write instead."""
    if len(text) > LONGEST:
        raise Wrong(f"is longer than {LONGEST} characters")
    bare = re.sub(r'"[^"]*"', '""', text)
    function = _FUNCTION.search(bare)
    if function is not None:
        inner = re.search(r"\(\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*[{)\[]", bare[function.end() - 1 :])
        raise Wrong(
            f"computes with `{function[1]}(…)`, and Segue takes differences and sums itself; write the"
            " counter alone",
            inner[1] if inner else None,
        )
    if "[" in bare:
        raise Wrong("asks for a range, and Segue chooses that itself; write the counter alone", None)
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise Wrong("is not the name of a counter with its labels")
    if found[1] == "__name__" or "__name__" in (found[2] or ""):
        raise Wrong("picks counters by a pattern of their name; write the name")
    return Selector(found[1], _matchers(found[2] or ""))


def _matchers(text: str) -> tuple[Matcher, ...]:
    found, at = list[Matcher](), 0
    while text[at:].strip():
        one = _MATCHER.match(text, at)
        if one is None:
            raise Wrong('has labels that cannot be read; write them as {label="value"}')
        found.append(_checked(Matcher(*one.groups())))
        at = one.end()
    return tuple(found)


def _checked(one: Matcher) -> Matcher:
    if one.sign in {"=~", "!~"}:
        stars = one.value.count(".*") + one.value.count(".+")
        if not _PATTERN.fullmatch(one.value) or stars > _STARS:
            raise Wrong(
                f"has the pattern `{one.value}`; letters, digits, `.`, `|` and at most {_STARS} of `.*` and"
                " `.+` are read"
            )
    return one
