"""Turns frozen dataclasses into JSON-able values and back, by their annotations alone.

A member of a union is written with its class name under `kind`; a stored value carries a schema
number, and upcasters lift what older code wrote. A field whose metadata says `later` is left out while it
has its default, so that older code, which does not know it, can read most rows. What newer code wrote (an
unknown kind, field or schema) raises `Unknown`: the row is put back for somebody who can read it, never
dropped. Thousands of rows are read and written in a second, so what JSON has as Python has it is told by its
type alone and taken as it is.
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
from types import MappingProxyType, NoneType, UnionType
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

    def dump_after(self, value: T, before: T, stored: Mapping[str, Any]) -> dict[str, Any]:
        """As `dump`, where `stored` was loaded as `before`: fields that are still the same object are taken
        from there. Of a dataclass alone, no union."""
        if stored.get("schema") != self.schema:
            return self.dump(value)
        kept = {
            name: stored[name]
            for name in _known(self.form).coders
            if name in stored and getattr(value, name) is getattr(before, name)
        }
        return {"schema": self.schema, **_known(self.form).dump(value, kept)}


def encode(form: Any, value: Any) -> Any:
    """The value as JSON has it. Raises `Malformed` where it is not of this form."""
    return _coder(form).dump(value)


def decode(form: Any, data: Any) -> Any:
    """The value of this form that `encode` wrote."""
    return _coder(form).load(data)


def canonical(data: Any) -> str:
    """The one text of a JSON value, for digests: sorted keys, no spaces, ASCII."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


_ITSELF: frozenset[type] = frozenset()


@dataclass(frozen=True, slots=True)
class _Coder:
    """Values of exactly the types `written` are written as they are, those of the types `read` read so."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    written: frozenset[type] = _ITSELF
    read: frozenset[type] = _ITSELF


@cache
def _coder(form: Any) -> _Coder:
    """The two directions for one annotation."""
    origin, arguments = get_origin(form), get_args(form)
    if form in {str, int, bool}:
        return _exactly(form)
    if form is float:
        return _Coder(_dump_float, _load_float, read=frozenset({float}))  # to be written it must be finite
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

    return _Coder(same, same, frozenset({form}), frozenset({form}))


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

    known = {member.value: member for member in form}

    def load(data: Any) -> Enum:
        if type(data) is str and data in known:
            return known[data]
        try:
            return form(data)
        except ValueError:
            raise Unknown(f"{data!r:.80} is no {form.__name__} that this code knows") from None

    return _Coder(dump, load)


def _tuple(arguments: tuple[Any, ...]) -> _Coder:
    endless = len(arguments) == 2 and arguments[1] is Ellipsis
    return _row_of(_coder(arguments[0]), arguments) if endless else _fixed(arguments)


def _checked(items: Any, kind: type[tuple[Any, ...] | list[Any]], arguments: tuple[Any, ...]) -> Any:
    if not isinstance(items, kind):
        raise Malformed(f"expected {kind.__name__} of {arguments}, found {items!r:.80}")
    return items


def _row_of(each: _Coder, arguments: tuple[Any, ...]) -> _Coder:
    """Any number of one form."""
    written, read, dump_each, load_each = each.written, each.read, each.dump, each.load

    def dump(value: Any) -> list[Any]:
        items = _checked(value, tuple, arguments)
        return list(items) if written.issuperset(map(type, items)) else [dump_each(one) for one in items]

    def load(data: Any) -> tuple[Any, ...]:
        items = _checked(data, list, arguments)
        return tuple(items if read.issuperset(map(type, items)) else [load_each(one) for one in items])

    return _Coder(dump, load)


def _fixed(arguments: tuple[Any, ...]) -> _Coder:
    """So many, each of its own form."""
    coders = [_coder(form) for form in arguments]
    dumps = [(coder.dump, coder.written) for coder in coders]
    loads = [(coder.load, coder.read) for coder in coders]

    def checked(items: Any, kind: type[tuple[Any, ...] | list[Any]]) -> Any:
        if len(_checked(items, kind, arguments)) != len(coders):
            raise Malformed(f"expected {len(coders)} of {arguments}, found {items!r:.80}")
        return items

    def dump(value: Any) -> list[Any]:
        if type(value) is not tuple or len(value) != len(dumps):  # nearly never
            value = checked(value, tuple)
        return [
            one if type(one) in written else dump_one(one)
            for (dump_one, written), one in zip(dumps, value, strict=True)
        ]

    def load(data: Any) -> tuple[Any, ...]:
        items = zip(loads, checked(data, list), strict=True)
        return tuple([one if type(one) in read else load_one(one) for (load_one, read), one in items])

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
    if NoneType in members and len(classes) + len(plain) == 1:
        return _or_nothing((*coders.values(), *plain)[0])
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


def _or_nothing(coder: _Coder) -> _Coder:
    dump, load, nothing = coder.dump, coder.load, {NoneType}
    return _Coder(
        lambda value: None if value is None else dump(value),
        lambda data: None if data is None else load(data),
        coder.written | nothing,
        coder.read | nothing,
    )


def _first(coders: list[_Coder], attempt: Callable[[_Coder], Any], value: Any) -> Any:
    """What the first fitting form makes of the value."""
    error: CodecError = Malformed(f"{value!r:.80} fits no member of the union")
    for coder in coders:
        try:
            return attempt(coder)
        except CodecError as wrong:
            error = wrong if len(coders) == 1 else error
    raise error


_ALWAYS = object()  # the default of a field that is never left out


@dataclass(frozen=True, slots=True)
class _Fields:
    """What is to be known of a dataclass: its coders by field, how each is written, what must be there."""

    form: type[Any]
    coders: Mapping[str, _Coder]
    written: tuple[tuple[str, frozenset[type], Callable[[Any], Any], Any], ...]
    required: frozenset[str]

    @classmethod
    def of(cls, form: type[Any]) -> "_Fields":
        hints, stored = get_type_hints(form), [f for f in fields(form) if f.init]
        coders = {f.name: _coder(hints[f.name]) for f in stored}
        later = {f.name: f.default for f in stored if f.metadata.get("later")}
        return cls(
            form,
            coders,
            tuple((name, one.written, one.dump, later.get(name, _ALWAYS)) for name, one in coders.items()),
            frozenset(f.name for f in stored if f.default is MISSING and f.default_factory is MISSING),
        )

    def dump(self, value: Any, kept: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """Each field, but those that are left out; `kept` holds what is written of some already."""
        if type(value) is not self.form:
            raise Malformed(f"expected {self.form.__name__}, found {value!r:.80}")
        found = {}
        for name, as_it_is, dump, default in self.written:
            item = getattr(value, name)
            if default is not _ALWAYS and item == default:
                continue
            if kept and name in kept:
                found[name] = kept[name]
            else:
                found[name] = item if type(item) in as_it_is else dump(item)
        return found

    def load(self, data: Any) -> Any:
        """The value; fields that are not there have their defaults."""
        if not isinstance(data, dict):
            raise Malformed(f"expected {self.form.__name__}, found {data!r:.80}")
        if extra := data.keys() - self.coders.keys():
            raise Unknown(f"{self.form.__name__} has no field {', '.join(sorted(map(str, extra)))}")
        if not self.required <= data.keys():
            missing = self.required - data.keys()
            raise Malformed(f"{self.form.__name__} lacks {', '.join(sorted(missing))}")
        values = {}
        for name, item in data.items():
            coder = self.coders[name]
            values[name] = item if type(item) in coder.read else coder.load(item)
        return self.form(**values)


@cache
def _known(form: Any) -> _Fields:
    return _Fields.of(form)


def _record(cls: Any) -> _Coder:
    # Its fields are looked at when first used, not before: a class may name itself.
    return _Coder(lambda value: _known(cls).dump(value), lambda data: _known(cls).load(data))
