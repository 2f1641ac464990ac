"""What is stored is read again as it was, and what newer code wrote is told from nonsense."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.events import ReleaseEvent, SourceEvent, VersionEvent
from policies.spec.declaration import Model
from service.store.codec import Codec, Malformed, Unknown, canonical, decode, encode

st.register_type_strategy(float, st.floats(allow_nan=False))


@pytest.mark.parametrize("form", [SourceEvent, VersionEvent, ReleaseEvent, Model])
def test_every_value_survives_being_written_as_json(form):
    codec = Codec(form)

    @given(st.from_type(form))
    def survives(value):
        assert codec.load(json.loads(json.dumps(codec.dump(value), allow_nan=False))) == value

    survives()


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Leaf:
    size: int = 1


@dataclass(frozen=True, slots=True)
class Branch:
    left: "Leaf | Branch | None"
    ratio: float
    colours: tuple[Colour, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    mode: Literal["fast", "slow"] = "fast"
    numbers: Mapping[str, float] | None = None
    anything: Any = None
    either: str | float = ""


@dataclass(frozen=True, slots=True)
class Kind:
    kind: str


def test_a_union_names_the_class_and_nothing_else_does():
    assert encode(Branch, Branch(Leaf(), 0.5))["left"] == {"kind": "Leaf", "size": 1}
    assert encode(Leaf, Leaf()) == encode(Leaf | None, Leaf()) == {"size": 1}
    assert encode(Kind, Kind("x")) == {"kind": "x"}


@dataclass(frozen=True, slots=True)
class Grown:
    """`Leaf`, one release later."""

    size: int = 1
    colour: str = field(default="green", metadata={"later": True})


def test_a_field_of_a_later_release_is_written_only_where_older_code_would_go_wrong_without_it():
    assert encode(Grown, Grown(2)) == encode(Leaf, Leaf(2))
    assert decode(Leaf, encode(Grown, Grown(2))) == Leaf(2)
    assert decode(Grown, encode(Leaf, Leaf(2))) == Grown(2)
    with pytest.raises(Unknown, match="colour"):
        decode(Leaf, encode(Grown, Grown(2, "red")))


def test_nested_values_enums_pairs_and_mappings_survive():
    value = Branch(
        Branch(Leaf(2), 1.0), -math.inf, (Colour.RED,), ("b", 2), "slow", {"x": 1.5}, {"y": [1]}, 2.5
    )
    assert decode(Branch, encode(Branch, value)) == value


def test_numbers_that_json_has_no_word_for_survive():
    assert decode(float, encode(float, math.inf)) == math.inf
    assert math.isnan(decode(float, encode(float, math.nan)))


def test_a_union_of_members_that_look_alike_is_refused():
    with pytest.raises(TypeError, match="Kind has a field named kind"):
        encode(Kind | Leaf, Leaf())


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (Leaf | Branch, {"kind": "Twig"}),
        (Leaf, {"size": 1, "weight": 2}),
        (Colour, "mauve"),
        (Literal["fast"], "slow"),
    ],
)
def test_what_newer_code_wrote_is_unknown(form, data):
    with pytest.raises(Unknown):
        decode(form, data)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (Leaf, []),
        (Leaf, {"size": True}),
        (Leaf, {"size": "1"}),
        (Leaf, {"size": 1.0}),
        (float, "1.0"),
        (float, True),
        (Branch, {"left": None}),
        (tuple[str, int], ["a"]),
        (tuple[str, ...], "ab"),
        (Mapping[str, int], [1]),
        (str | None, 1),
    ],
)
def test_what_nobody_wrote_is_malformed(form, data):
    with pytest.raises(Malformed):
        decode(form, data)


def test_a_value_of_another_class_is_not_written():
    with pytest.raises(Malformed):
        encode(Leaf, Kind("x"))
    with pytest.raises(Malformed):
        encode(Leaf | Branch, Kind("x"))


def test_older_schemas_are_lifted_step_by_step_and_newer_ones_are_unknown():
    codec = Codec(
        Leaf,
        schema=3,
        upcasters={
            1: lambda old: {"length": old["len"]},
            2: lambda old: {"size": old["length"]},
        },
    )
    assert codec.load({"schema": 1, "len": 7}) == Leaf(7)
    assert codec.load({"schema": 2, "length": 7}) == Leaf(7)
    assert codec.load(codec.dump(Leaf(7))) == Leaf(7)
    with pytest.raises(Unknown, match="schema 4"):
        codec.load({"schema": 4, "size": 7})
    with pytest.raises(Malformed):
        codec.load({"size": 7})


def test_the_canonical_text_does_not_depend_on_the_order_of_keys():
    assert canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == '{"a":"\\u00e9","b":1}'


def test_of_what_was_loaded_only_what_changed_is_written_anew():
    codec = Codec(Branch)
    stored = codec.dump(Branch(Leaf(3), 0.5, (Colour.RED,), numbers={"a": 1.0}))
    before = codec.load(stored)
    after = replace(before, ratio=0.75, left=Leaf(3), pair=("b", 2), numbers=None)
    written = codec.dump_after(after, before, stored)
    assert written == codec.dump(after)
    assert written["colours"] is stored["colours"]
    assert written["left"] is not stored["left"]


def test_what_is_to_be_left_out_is_left_out_though_it_was_stored():
    codec, stored = Codec(Grown), {"schema": 1, "size": 1, "colour": "green"}
    before = codec.load(stored)
    assert codec.dump_after(replace(before, size=2), before, stored) == {"schema": 1, "size": 2}


def test_what_older_code_wrote_is_written_whole():
    codec = Codec(Leaf, schema=2, upcasters={1: lambda old: {"size": old["long"]}})
    stored = {"schema": 1, "long": 4}
    before = codec.load(stored)
    assert codec.dump_after(before, before, stored) == {"schema": 2, "size": 4}
