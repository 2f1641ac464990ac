"""Turns frozen dataclasses into JSON-able values and back, by their annotations alone.

A member of a union is written with its class name under `kind`; a stored value carries a schema
number, and upcasters lift what older code wrote. A field whose metadata says `later` is left out while it
has its default, so that older code, which does not know it, can read most rows. What newer code wrote (an
unknown kind, field or schema) raises `Unknown`: the row is put back for somebody who can read it, never
dropped.
This must not know any class of ours, and must not guess.

    CodecError
    ├── Unknown    newer code wrote this: put it back
    └── Malformed  no code of ours wrote this
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class CodecError(ValueError):
    """A stored value does not have the form that was asked for."""


class Unknown(CodecError):
    """Newer code wrote this value."""


class Malformed(CodecError):
    """This value was not written by any version of this code."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """Stores values of one form: a dataclass, or a union of dataclasses.

    `upcasters` lift a dictionary from the schema number that they stand under to the next one.
    """

    form: Any
    schema: int = 1
    upcasters: Mapping[int, Upcaster] = field(default_factory=dict)

    def dump(self, value: T) -> dict[str, Any]:
        """The value as a JSON object with its schema number."""
        return {"schema": self.schema, **encode(self.form, value)}

    def load(self, data: Mapping[str, Any]) -> T:
        """The value again; lifted first where older code wrote it."""
        plain = dict(data)
        schema = plain.pop("schema", None)
        if type(schema) is not int or schema < 1:
            raise Malformed(f"a stored value has the schema number {schema!r}")
        if schema > self.schema:
            raise Unknown(f"a stored value has schema {schema}; this code knows up to {self.schema}")
        for number in range(schema, self.schema):
            plain = self.upcasters[number](plain)
        value: T = decode(self.form, plain)
        return value


def encode(form: Any, value: Any) -> Any:
    """The value as JSON has it. Raises `Malformed` where it is not of this form."""
    return _coder(form).dump(value)


def decode(form: Any, data: Any) -> Any:
    """The value of this form that `encode` wrote."""
    return _coder(form).load(data)


def canonical(data: Any) -> str:
    """The one text of a JSON value, for digests: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class _Coder:
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


@cache
def _coder(form: Any) -> _Coder:
    """The two directions for one annotation."""
    origin, arguments = get_origin(form), get_args(form)
    if form in {str, int, bool}:
        return _exactly(form)
    if form is float:
        return _Coder(_dump_float, _load_float)
    if form is Any:
        return _Coder(lambda value: value, lambda data: data)
    if origin is Literal:
        return _one_of(arguments)
    if origin in {Union, UnionType}:
        return _union(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments)
    if isinstance(form, type) and issubclass(form, Enum):
        return _enum(form)
    if isinstance(form, type) and is_dataclass(form):
        return _record(form)
    raise TypeError(f"the codec has no rule for {form!r}")


def _exactly(form: type) -> _Coder:
    def same(value: Any) -> Any:
        # True is an int in Python, and must not become one here. A StrEnum's member is written as text.
        if type(value) is form:
            return value
        if form is str and isinstance(value, str):
            return str.__str__(value)
        raise Malformed(f"expected {form.__name__}, found {value!r:.80}")

    return _Coder(same, same)


def _dump_float(value: Any) -> Any:
    if type(value) is float and math.isfinite(value):  # nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"expected a number, found {value!r:.80}")
    return value if math.isfinite(value) else str(float(value))


def _load_float(data: Any) -> float:
    if isinstance(data, str) and data in _NOT_FINITE:
        return _NOT_FINITE[data]
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise Malformed(f"expected a number, found {data!r:.80}")
    return float(data)


def _one_of(allowed: tuple[Any, ...]) -> _Coder:
    def known(value: Any) -> Any:
        if value not in allowed:
            raise Unknown(f"{value!r:.80} is none of {allowed}")
        return value

    return _Coder(known, known)


def _enum(form: type[Enum]) -> _Coder:
    def dump(value: Any) -> Any:
        if not isinstance(value, form):
            raise Malformed(f"expected {form.__name__}, found {value!r:.80}")
        return value.value

    def load(data: Any) -> Enum:
        try:
            return form(data)
        except ValueError:
            raise Unknown(f"{data!r:.80} is no {form.__name__} that this code knows") from None

    return _Coder(dump, load)


def _tuple(arguments: tuple[Any, ...]) -> _Coder:
    endless = len(arguments) == 2 and arguments[1] is Ellipsis
    coders = [_coder(form) for form in (arguments[:1] if endless else arguments)]

    dumps, loads = [coder.dump for coder in coders], [coder.load for coder in coders]

    def checked(items: Any, kind: type[tuple[Any, ...] | list[Any]]) -> Any:
        if not isinstance(items, kind) or (not endless and len(items) != len(coders)):
            raise Malformed(f"expected {kind.__name__} of {arguments}, found {items!r:.80}")
        return items

    def dump(value: Any) -> list[Any]:
        each = repeat(dumps[0]) if endless else dumps
        return [one(item) for one, item in zip(each, checked(value, tuple), strict=False)]

    def load(data: Any) -> tuple[Any, ...]:
        each = repeat(loads[0]) if endless else loads
        return tuple([one(item) for one, item in zip(each, checked(data, list), strict=False)])

    return _Coder(dump, load)


def _mapping(arguments: tuple[Any, ...]) -> _Coder:
    coder = _coder(arguments[1])

    def entries(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise Malformed(f"expected a mapping with text keys, found {value!r:.80}")
        return value

    return _Coder(
        lambda value: {key: coder.dump(item) for key, item in entries(value).items()},
        lambda data: {key: coder.load(item) for key, item in entries(data).items()},
    )


def _union(members: tuple[Any, ...]) -> _Coder:
    classes = {m.__name__: m for m in members if isinstance(m, type) and is_dataclass(m)}
    coders = {name: _coder(member) for name, member in classes.items()}
    plain = [_coder(m) for m in members if m is not NoneType and m not in classes.values()]
    tagged = len(classes) > 1
    if tagged:
        for name, member in classes.items():
            if any(f.name == "kind" for f in fields(member)):
                raise TypeError(f"{name} has a field named kind, so it cannot be told from its siblings")

    def dump(value: Any) -> Any:
        if value is None and NoneType in members:
            return None
        name = type(value).__name__
        if classes.get(name) is type(value):
            written = coders[name].dump(value)
            return {"kind": name, **written} if tagged else written
        return _first(plain, lambda coder: coder.dump(value), value)

    def load(data: Any) -> Any:
        if data is None and NoneType in members:
            return None
        if isinstance(data, dict) and classes:
            if not tagged:
                return next(iter(coders.values())).load(data)
            rest = dict(data)
            kind = rest.pop("kind", None)
            if kind not in classes:
                raise Unknown(f"unknown kind {kind!r:.80}; this code knows {', '.join(sorted(classes))}")
            return coders[kind].load(rest)
        return _first(plain, lambda coder: coder.load(data), data)

    return _Coder(dump, load)


def _first(coders: list[_Coder], attempt: Callable[[_Coder], Any], value: Any) -> Any:
    """What the first fitting form makes of the value."""
    error: CodecError = Malformed(f"{value!r:.80} fits no member of the union")
    for coder in coders:
        try:
            return attempt(coder)
        except CodecError as wrong:
            error = wrong if len(coders) == 1 else error
    raise error


@dataclass(frozen=True, slots=True)
class _Fields:
    """What is to be known of a dataclass: its coders by field, what may be left out, what must be there."""

    coders: Mapping[str, _Coder]
    later: Mapping[str, Any]
    required: frozenset[str]

    @classmethod
    def of(cls, form: type[Any]) -> "_Fields":
        hints, stored = get_type_hints(form), [f for f in fields(form) if f.init]
        return cls(
            {f.name: _coder(hints[f.name]) for f in stored},
            {f.name: f.default for f in stored if f.metadata.get("later")},
            frozenset(f.name for f in stored if f.default is MISSING and f.default_factory is MISSING),
        )


def _record(cls: type[Any]) -> _Coder:
    @cache
    def known() -> _Fields:
        # At first use, not before: a class may name itself.
        return _Fields.of(cls)

    def dump(value: Any) -> dict[str, Any]:
        if type(value) is not cls:
            raise Malformed(f"expected {cls.__name__}, found {value!r:.80}")
        form, written = known(), {}
        for name, coder in form.coders.items():
            item = getattr(value, name)
            if name not in form.later or item != form.later[name]:
                written[name] = coder.dump(item)
        return written

    def load(data: Any) -> Any:
        if not isinstance(data, dict):
            raise Malformed(f"expected {cls.__name__}, found {data!r:.80}")
        form = known()
        if extra := data.keys() - form.coders.keys():
            raise Unknown(f"{cls.__name__} has no field {', '.join(sorted(map(str, extra)))}")
        if missing := form.required - data.keys():
            raise Malformed(f"{cls.__name__} lacks {', '.join(sorted(missing))}")
        return cls(**{name: form.coders[name].load(item) for name, item in data.items()})

    return _Coder(dump, load)
