"""Seeded mutations: of bytes anywhere, and of JSON with its structure kept, so that the inside is reached."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

ODD_BYTES = (
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"\r\n",
    b"%",
    b"&",
    b"=",
)
ODD_TEXTS = (
    "", " ", "/segue", "/segue approve rel-1", "/segue \n/segue help", "```\n/segue abort\n```", "refs/heads/", "null",
    "\u202e", "\ud800", "\0", "0" * 40, "../..", "é", "😀" * 50, "a" * 2_000, "-1", "1e999", "<!-- segue", "sha256:",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**64), 1e308, 0.1, [], {}, [[]], [None], {"": None}, [{}] * 50,
)  # fmt: skip
ODD_NUMBERS = ("1e999", "-0", "1E+2", "9" * 30, "NaN", "Infinity", "01", "1.", "0x1")
MOST = 60_000  # bytes of what comes out
Change = Callable[[random.Random, bytes], bytes]


def mutated(chance: random.Random, seed: bytes) -> bytes:
    """One to four changes of the seed; now and then something that has nothing to do with it."""
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    data = seed
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(CHANGES)(chance, data)
    return data[:MOST]


def mutated_headers(chance: random.Random, headers: dict[str, str]) -> dict[str, str]:
    """The headers with one of them gone, renamed, or of another value; often just as they were."""
    found = dict(headers)
    if not found or chance.random() < 0.5:
        return found
    name = chance.choice(list(found))
    match chance.randrange(4):
        case 0:
            del found[name]
        case 1:
            found[name.swapcase()] = found.pop(name)
        case 2:
            found[name] = chance.choice(
                (*ODD_TEXTS, "v1,", "v1,AAAA", "sha256=" + "0" * 64, "-5", "9" * 30, "१२३")
            )
        case _:
            text = found[name]
            at = chance.randrange(len(text) + 1)
            found[name] = text[:at] + chr(chance.choice((0, 32, 0xE9, 0xD800, 0x1F600))) + text[at + 1 :]
    return found


# --- bytes -----------------------------------------------------------------------------------


def _flip(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(1) + data[at + 1 :]


def _put(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(ODD_BYTES) * chance.choice((1, 1, 2, 100)) + data[at:]


def _cut(chance: random.Random, data: bytes) -> bytes:
    first, last = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:first] + data[last:] if chance.random() < 0.5 else data[:first]


def _double(chance: random.Random, data: bytes) -> bytes:
    first, last = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:last] + data[first:last] * chance.choice((1, 1, 10)) + data[last:]


# --- JSON ------------------------------------------------------------------------------------


def _in_json(change: Callable[[random.Random, Any, Any], None]) -> Change:
    """A change of one place of a JSON text; of the bytes, where they are none."""

    def changed(chance: random.Random, data: bytes) -> bytes:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return _flip(chance, data)
        places = list(_places(value))
        if not places:
            return _put(chance, data)
        change(chance, *chance.choice(places))
        return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")

    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    waiting = [value]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict | list):
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            yield from ((at, key) for key in keys)
            waiting += [at[key] for key in keys]


def _other(chance: random.Random, at: Any, key: Any) -> None:
    at[key] = chance.choice((*ODD_VALUES, *ODD_TEXTS))


def _remove(chance: random.Random, at: Any, key: Any) -> None:
    del chance
    del at[key]


def _repeat(chance: random.Random, at: Any, key: Any) -> None:
    if isinstance(at, list):
        at.extend([at[key]] * chance.choice((1, 20, 300)))
    else:
        at[f"{key}{chance.choice(('', ' ', 's'))}"] = at[key]


def _deepen(chance: random.Random, at: Any, key: Any) -> None:
    for _ in range(chance.choice((1, 3, 100))):
        at[key] = [at[key]] if chance.random() < 0.5 else {"a": at[key]}


def _twice(chance: random.Random, data: bytes) -> bytes:
    """A key twice, or a number that is none, in the text itself: no value has them."""
    at = data.find(b":", chance.randrange(len(data) + 1))
    if at < 0:
        return _put(chance, data)
    if chance.random() < 0.5:
        return data[: at + 1] + chance.choice(ODD_NUMBERS).encode() + b"," + data[at + 1 :]
    return data[: at + 1] + b' 1, "a": 1, "a": ' + data[at + 1 :]


CHANGES: tuple[Change, ...] = (
    _flip, _put, _cut, _double, _twice, *map(_in_json, (_other, _remove, _repeat, _deepen) * 3),
)  # fmt: skip
