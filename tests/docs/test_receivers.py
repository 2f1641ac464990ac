"""What receivers are told is what the page says: turns, fields, headers."""

import json
from dataclasses import replace

from policies.notices import Turn
from service.adapters.receivers import payload
from tests.contracts.test_receiver import NOTICE
from tests.docs.pages import blocks, cells, section

PAGE = "docs/how-to/receivers.md"


def first_cells(heading):
    rows = [line for line in section(PAGE, heading).splitlines() if line.startswith("| `")]
    return [name for row in rows for name in row.split("|")[1].replace("`", "").replace(" ", "").split(",")]


def test_each_turn_is_told_of_and_no_other():
    assert first_cells("## Turns") == [*dict.fromkeys(first_cells("## Turns"))]
    assert set(first_cells("## Turns")) == {turn.value for turn in Turn}


def test_the_example_has_the_fields_of_what_is_sent():
    ((_, example),) = blocks(PAGE, "json")
    told = json.loads(example)
    sent = payload.document(replace(NOTICE, registered=("churn", "7")), "https://segue.example")
    assert keys(told) == keys(sent)
    assert told["data"]["schema"] == payload.SCHEMA


def test_each_field_is_described():
    sent = payload.document(NOTICE, "https://segue.example")
    wanted = {*sent, *sent["data"], *sent["data"]["release"]} - {"data", "environment", "model", "target"}
    assert wanted <= set(first_cells("### What is told"))
    assert cells(PAGE)


def keys(told):
    """The names of all fields, in order, with those within them."""
    return {name: keys(one) for name, one in told.items()} if isinstance(told, dict) else None
