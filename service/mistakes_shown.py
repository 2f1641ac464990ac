"""Mistakes of a file for people (place, excerpt, caret) and for programs (JSON values)."""

import unicodedata
from dataclasses import asdict
from typing import Any

from policies.spec.mistakes import Mistake

_WIDEST = 100  # columns of an excerpt


def as_text(mistakes: tuple[Mistake, ...], data: bytes, name: str) -> str:
    """All mistakes, each with its line of the file and a caret below what is meant."""
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    shown = [_one(mistake, lines, name) for mistake in mistakes]
    return "\n".join([*shown, f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''} in {name}\n"])


def as_json(mistakes: tuple[Mistake, ...], name: str) -> list[dict[str, Any]]:
    """The same as plain values, for editors and CI."""
    return [{"file": name, **asdict(mistake), "allowed": list(mistake.allowed)} for mistake in mistakes]


def _one(mistake: Mistake, lines: list[str], name: str) -> str:
    place = f"{name}:{mistake.line}:{mistake.column}" if mistake.line else name
    head = f"{place}: {mistake.path}: {mistake.message}\n"
    if not 0 < mistake.line <= len(lines):
        return head
    start = max(0, mistake.column - _WIDEST // 2)
    excerpt = _harmless(lines[mistake.line - 1])[start : start + _WIDEST]
    number = f"{mistake.line:>5}"
    caret = " " * max(0, mistake.column - 1 - start)
    return f"{head}{number} | {excerpt}\n{'':>5} | {caret}^\n"


def _harmless(line: str) -> str:
    """The line with nothing in it that a terminal would act on, each letter still one column."""
    return "".join(
        "?" if unicodedata.category(letter)[0] == "C" else letter for letter in line.replace("\t", " ")
    )
