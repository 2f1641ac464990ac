"""The document of the API: every address is in it, it is valid, and what is answered over HTTP is of its shapes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from jsonschema import Draft202012Validator

from policies import roles
from service import keys, sources, web
from service.engine import checkpoints
from service.identity import access, people, tokens
from service.openapi.operation import WEB
from service.openapi.operations import OPERATIONS
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.rehearsing.trials import Trials, Tried
from service.showing import streams
from service.store.chain import Head
from tests import described
from tests.scenarios.conftest import WINE, Clock, World
from tests.serving import Served

API = "/api/v1/"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model that serves, a release of it on its way, a command that was answered, and somebody to put out."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(web, "Trials", lambda: Trials(lambda _: Tried()))  # what is played takes seconds
        world = World(tmp_path_factory.mktemp("world"))
    world.live({"segue.yaml": WINE})
    world.rollout()
    assert not world.say("abort", "rel-9").ok
    (world.settings.home / "secrets").mkdir(exist_ok=True)
    (world.settings.home / "secrets" / "signing-key").write_bytes(KEY)
    tokens.make(world.store, "leaver")
    people.name(world.store, "leaver", ("code:leaver",))
    yield world
    world.close()


@pytest.fixture(scope="module")
def http(world):
    """The servers; streams end at once, of whatever release they are."""
    servers = {name: Served(getattr(world, name).application) for name in ("web", "intake")}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "LONGEST_SECONDS", 0.0)
        patched.setattr(sources, "opened", unreachable)
        yield {name: f"http://127.0.0.1:{server.port}" for name, server in servers.items()}
    for server in servers.values():
        server.end()


def unreachable(_settings, source):
    """What made requests name is gone to by nobody."""
    raise Refused(f"{source.name} does not answer")


def served(world):
    """All methods and addresses of the API that either server has."""
    return {
        f"{method} {rule.rule}"
        for server in (world.web, world.intake)
        for rule in server.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(API)
    }


def test_every_address_is_described_and_no_other(world):
    assert set(OPERATIONS) == served(world)


def test_who_may_ask_is_known_of_every_address_of_the_web():
    of_web = {route for route, operation in OPERATIONS.items() if operation.server == WEB}
    assert of_web == {route for route in access.ROUTES if route.partition(" ")[2].startswith(API)}


@pytest.mark.parametrize("route", OPERATIONS)
def test_each_name_in_an_address_is_described(route):
    assert set(re.findall("<(.*?)>", route)) == set(OPERATIONS[route].path)


def test_the_document_is_answered_to_anybody(http):
    answer = requests.get(f"{http['web']}/api/v1/openapi.json", timeout=10)
    assert answer.status_code == 200
    assert answer.json()["openapi"] == "3.1.0"
    assert answer.json()["paths"] == described.DOCUMENT["paths"] | {
        path: {**item, "servers": answer.json()["paths"][path]["servers"]}
        for path, item in described.DOCUMENT["paths"].items()
        if "servers" in item
    }


def test_all_its_schemas_are_schemas_and_every_reference_leads_somewhere():
    document = described.DOCUMENT
    for schema in schemas_of(document):
        Draft202012Validator.check_schema(schema)
    names = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert names == set(document["components"]["schemas"])


def schemas_of(part):
    """Everything below a `schema` or `schemas` of the document."""
    if isinstance(part, list):
        for one in part:
            yield from schemas_of(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "schema":
                yield value
            elif key == "schemas":
                yield from value.values()
            else:
                yield from schemas_of(value)


def test_operations_are_named_once():
    names = [operation.id for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))


# --- answers over HTTP -----------------------------------------------------------------------

NAMES = {"model": "wine", "environment": "production", "gate": "rollback", "delivery": "1"}
COMMAND = {"verb": "help", "subject": None, "arguments": {}}
LABELS = {
    "model": "wine",
    "table": "warehouse.labels",
    "labels": [{"request": "r-1", "at": "2026-01-31T14:03:00Z", "wrong": True}],
}
GRANT = {"role": "viewer", "on": "wine/*"}
KEY = keys.new()
CHECKPOINT = json.loads(checkpoints.sign(Head(1, "0" * 64, 1.0), KEY))
BODIES = {
    "give_command": COMMAND,
    "add_labels": LABELS,
    "hold_record": CHECKPOINT,
    "make_token": {"name": "ci", "roles": [GRANT], "expires": Clock().now + 86_400},
    "give_role": {"who": "oidc:ann", **GRANT},
    "name_accounts": {"accounts": ["code:ann-x"]},
    "try_policy": {"rate": 20},
    "connect_source": {"kind": "hook", "name": "ci"},
}
ASKED = {
    "list_releases": ["", "?open=1", "?before=rel-1", "?open=2", "?before=1"],
    "get_logs": ["", "?build=&evaluation=", "?build=x"],
    "list_events": ["", "?failed=1", "?failed=yes", "?before=x"],
    "get_event": ["", "?body=1", "?body="],
    "get_lineage": ["", "?form=cyclonedx", "?form=x"],
    "get_target_lineage": ["", "?form=cyclonedx&before=rel-9", "?before=9"],
    "get_served": ["", "?at=1767225600.5", "?at=now"],
    "export_record": ["", "?form=csv&since=1&until=2.5", "?release=rel-1&model=wine", "?since=x", "?form=x"],
    "prove_record": ["", "?after=1", "?after=rel-1"],
    "list_record": ["", "?after=1", "?after=rel-1"],
    "get_verdict": ["", "?weight=50", "?weight=200"],
    "take_back_role": [
        "?who=oidc:ann",
        "?who=oidc:ann&role=viewer&on=wine",
        "",
        "?who=ann",
        "?who=@ml&role=viewer",
    ],
    "ask_gate": ["", "?step=25", "?step=x"],
}


def ask(http, route, query, token, **changed):
    operation, (method, rule) = OPERATIONS[route], route.split(" ")
    named = {"models": "wine", "events": "1", "tokens": "leaver", "persons": "leaver", "sources": "ci"}
    name = named.get(rule.split("/")[3], "rel-1")
    path = re.sub("<(.*?)>", lambda found: {**NAMES, "name": name, **changed}[found[1]], rule)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = BODIES.get(operation.id)
    url = f"{http[operation.server]}{path}{query}"
    answer = requests.request(method, url, headers=headers, json=body, timeout=10)
    described.check(method, path, answer.status_code, answer.headers["Content-Type"], answer.json)
    return answer.status_code


@pytest.mark.parametrize("route", OPERATIONS)
def test_what_is_answered_is_described(world, http, route):
    operation = OPERATIONS[route]
    if operation.id == "disconnect_source":
        with world.store.change() as change:
            change.save_source(Source("ci", "hook", ""))
    found = {ask(http, route, query, world.people["bob"]) for query in ASKED.get(operation.id, [""])}
    assert found & set(operation.answers)
    assert found <= {*operation.answers, 400}
    if 404 in operation.refused:
        nobody = {"name": "999", "model": "nobody"}
        assert ask(http, route, "", world.people["bob"], **nobody) in {*operation.answers, 404}


@pytest.mark.parametrize("route", OPERATIONS)
def test_who_may_not_is_told_so_as_described(world, http, route):
    of_other = tokens.make(world.store, "other", grants=[roles.grant("verdicts", "beer/*")])
    is_open = route in access.ROUTES and access.ROUTES[route] == access.OPEN
    assert ask(http, route, "", None) == (200 if is_open else 401)
    told = ask(http, route, "", of_other)
    assert told in ({403, 404} if OPERATIONS[route].refused else {200})


def test_an_answer_that_is_not_described_is_noticed():
    for status, kind, body in (
        (418, "application/json", {}),
        (200, "text/html", {"targets": []}),
        (200, "application/json", {"targets": [{}]}),
        (200, "application/json", {"targets": [], "next": None, "more": 1}),
    ):
        with pytest.raises(AssertionError):
            described.check("GET", "/api/v1/targets", status, kind, lambda body=body: body)
    described.check("GET", "/api/v1/targets", 200, "application/json", lambda: {"targets": [], "next": None})


# --- made requests ---------------------------------------------------------------------------

SENT = [f"{API}{name}" for name in ("commands", "labels")]
LET_IN = f"^{API}(tokens|logins|grants|persons)"
# A document cannot say what no JSON of strangers may hold (handlers/strict_json.py): no NUL, which is left
# out everywhere, and no whole number of more than 20 digits, which rows of labels may come with; nor which
# letters people can read, of which names are, nor when a year from now is over.
SCHEMATHESIS = {
    "web": ["--exclude-path", SENT[0], "--exclude-path", SENT[1], "--exclude-path-regex", LET_IN],
    "people": ["--include-path-regex", LET_IN, "--exclude-checks", "positive_data_acceptance"],
    "commands": ["--include-path", SENT[0]],
    "labels": ["--include-path", SENT[1], "--exclude-checks", "positive_data_acceptance"],
}
# Nor that a key which was used with another body is good no more.
ACCEPTED = """[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429, "5xx"]
"""
ALWAYS = ["--checks", "all", "--generation-allow-x00", "false", "--generation-database", "none"]
EVEN_IF_SLOW = ["--suppress-health-check", "all", "--request-timeout", "60", "--no-color"]


@pytest.mark.slow
@pytest.mark.parametrize("part", SCHEMATHESIS)
def test_schemathesis_finds_nothing_by_any_of_its_checks(world, http, part, tmp_path):
    """Valid and invalid requests of all kinds: each is answered as described, the invalid ones by no.

    By the operator's token: the only one that none of them can end.
    """
    token = tokens.make(world.store, tokens.OPERATOR)
    server = http["web" if part in {"web", "people"} else "intake"]
    (tmp_path / "schemathesis.toml").write_text(ACCEPTED)
    told = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"{http['web']}/api/v1/openapi.json", "--url", server),
            *("-H", f"Authorization: Bearer {token}"),
            *("--max-examples", "10", "--seed", "1"),
            *ALWAYS,
            *EVEN_IF_SLOW,
            *SCHEMATHESIS[part],
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-2000:]
    made, passed = re.findall(r"(\d+) generated, (\d+) passed", told.stdout)[0]
    assert int(made) == int(passed) > 100
