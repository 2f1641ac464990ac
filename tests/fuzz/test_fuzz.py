"""The fuzz harness itself: it finds what is planted, repeats what it found, and a slice of it is clean."""

import random
import time
from dataclasses import replace

import pytest

from handlers.errors import Malformed, Unverified
from handlers.hints import VersionHint
from service import plugins
from tests.fuzz import __main__ as harness
from tests.fuzz import requests
from tests.fuzz.mutating import mutated
from tests.fuzz.parsers import Parser, parsers, seeds

LATER = 120.0


def seen(*given, executions=400):
    return harness.fuzz(given, "a test", executions, time.monotonic() + LATER)


class Planted:
    """A handler with one fault."""

    def __init__(self, fault):
        self.fault = fault

    def verify(self, headers, body, secrets, now):
        if self.fault != "verifies anything":
            raise Unverified

    def delivery_id(self, headers, body):
        return "1"

    def parse(self, headers, body):
        match self.fault:
            case "raises":
                return () if body.startswith(b"{") else {}["ref"]
            case "a NUL":
                return (VersionHint("a\0", "1"),)
            case "half a character":
                return (VersionHint("\ud800", "1"),)
            case "too many":
                return (VersionHint("a", "1"),) * 6_000
            case "a list":
                return []
            case _:
                raise Malformed


@pytest.mark.parametrize(
    "fault", ["verifies anything", "raises", "a NUL", "half a character", "too many", "a list"]
)
def test_a_planted_fault_is_found_and_found_again_by_its_number(fault, monkeypatch):
    known = seeds("mlflow")
    monkeypatch.setattr(plugins, "load", lambda port, name: Planted(fault))
    monkeypatch.setattr("tests.fuzz.parsers.seeds", lambda kind: known)
    (parser,) = (p for p in parsers() if p.name == "mlflow deliveries")
    found = seen(parser)
    assert found.failures
    number = int(found.failures[0].split("number ")[1].split(",")[0])
    again = harness.fuzz((parser,), "a test", 1, time.monotonic() + LATER, first=number)
    assert again.failures == found.failures[:1]


def test_a_parser_that_never_understood_anything_is_named():
    deaf = Parser("deaf", lambda chance: "refused")
    assert harness.idle(seen(deaf)) == ["deaf"]
    assert harness.idle(seen(Parser("good", lambda chance: chance.choice(("refused", "hints"))))) == []


def test_a_slice_over_every_parser_finds_nothing_and_reaches_the_inside_of_each():
    found = seen(*parsers(), executions=4_000)
    assert found.failures == []
    assert found.count == 4_000
    assert harness.idle(found) == []


def test_every_kind_of_sender_is_among_the_parsers_with_seeds_that_say_something():
    for kind in plugins.names("event_sources"):
        handler = plugins.load("event_sources", kind)
        assert f"{kind} deliveries" in {parser.name for parser in parsers()}
        assert any(handler.parse(one.headers, one.body) for one in seeds(kind))


def test_a_seed_that_was_made_smaller_says_the_same():
    handler = plugins.load("event_sources", "github")
    whole = {one.name: one for one in seeds("github")[-1:]}
    for one in seeds("github")[:-1]:
        if one.name in whole:
            assert len(one.body) < len(whole[one.name].body)
            assert handler.parse(one.headers, one.body) == handler.parse(one.headers, whole[one.name].body)


def test_what_is_made_of_a_seed_is_the_same_each_time():
    body = seeds("gitea")[0].body
    once, again = ([mutated(random.Random(n), body) for n in range(50)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 40


@pytest.mark.parametrize("kind", [requests.INTAKE, requests.WEB], ids=lambda kind: kind.name)
def test_malformed_requests_leave_a_process_as_it_was(kind, capsys):
    assert requests.run(300, "a test", kind)
    assert f"300 malformed requests to {kind.name}" in capsys.readouterr().out


def test_an_intake_that_answers_500_or_ends_is_told(monkeypatch, capsys):
    monkeypatch.setattr(requests.Process, "send", lambda self, data: "500")
    assert not requests.run(5, "a test")
    monkeypatch.undo()
    monkeypatch.setattr(requests.Process, "takes", lambda self, name: name == "before")
    assert not requests.run(5, "a test")
    assert "IS GONE" in capsys.readouterr().out


def test_a_failure_of_one_parser_does_not_hide_another():
    both = seen(*(replace(p, once=lambda chance: {}["x"]) for p in parsers()[:2]), executions=4)
    assert len({failure.split(",")[0] for failure in both.failures}) == 2
