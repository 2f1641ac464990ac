"""The authorization matrix: every address and every command, by each role, for one's own model and another's.

Over real HTTP. What must hold is written here a second time, by hand: an address that is in no list below,
or a verb, makes this fail.
"""

import os
import re
from dataclasses import dataclass
from typing import get_args

import pytest
import requests
from structlog.testing import capture_logs

from policies import roles
from policies.events import Verb
from policies.roles import Role
from service.identity import access, tokens
from service.showing import streams
from tests.scenarios.conftest import WINE, World
from tests.serving import Served

SEEING = {"viewer", "operator", "approver", "admin"}
OWN, FOREIGN = "wine", "beer"
NAMES = {OWN: "rel-1", FOREIGN: "rel-2"}
CALLERS = [(role, where) for role in Role for where in ("wine/*", "*")]

ANYBODY = {
    "GET /": 303,
    "GET /healthz": 200,
    "GET /readyz": 200,
    "GET /metrics": 200,
    "GET /api/v1/openapi.json": 200,
    "GET /-/login": 200,
    "POST /-/login": 401,  # without a token that is known
    "GET /-/login/provider": 401,  # there is none
    "GET /-/login/back": 303,  # to the login, as after a logout there
    "POST /-/logout/provider": 400,  # without a token of the provider's
    "GET /-/links": 200,
    "POST /-/login/link": 401,
    "GET /-/static/<name>": 404,
}
# Shows what one may see of it, and refuses who may see nothing.
LISTS = {
    "GET /api/v1/releases",
    "GET /api/v1/targets",
    "GET /api/v1/models",
    "GET /api/v1/commands/<delivery>",
    "POST /api/v1/links",
    "GET /api/v1/tokens",
    "DELETE /api/v1/tokens/<name>",
    "GET /api/v1/logins",
    "DELETE /api/v1/logins/<name>",
    "POST /api/v1/simulations",
    "GET /-/",
    "GET /-/releases",
    "GET /-/simulator",
    "GET /-/tokens",
    "POST /-/tokens/end",
    "POST /-/logins/end",
    "GET /-/answers/<delivery>",
    "POST /-/commands",
    "POST /-/logout",
}
# Belongs to no single target, so it needs a role everywhere.
WHOLE = {
    "GET /api/v1/sources",
    "GET /api/v1/clusters",
    "GET /api/v1/events",
    "GET /api/v1/events/<name>",
    "GET /api/v1/record",
    "GET /api/v1/record/export",
    "GET /api/v1/record/proof",
    "POST /api/v1/record/proof",
    "GET /-/events",
    "GET /-/events/<name>",
    "GET /-/record",
    "GET /-/installation",
}
# Lets people in, or shows how it is set: for who is admin everywhere.
ADMITS = {
    "GET /api/v1/settings",
    "POST /api/v1/sources",
    "DELETE /api/v1/sources/<name>",
    "POST /-/tokens",
    "POST /api/v1/tokens",
    "GET /api/v1/grants",
    "POST /api/v1/grants",
    "DELETE /api/v1/grants",
    "GET /api/v1/persons",
    "PUT /api/v1/persons/<name>",
    "DELETE /api/v1/persons/<name>",
}
# What an admin of everything is answered there, who sends nothing and means nobody.
LET_IN = {
    "GET /api/v1/settings": 200,
    "DELETE /api/v1/sources/<name>": 404,
    "GET /api/v1/grants": 200,
    "GET /api/v1/persons": 200,
    "DELETE /api/v1/persons/<name>": 404,
}
# Ends somebody's: of nobody for admins of everything, else of another, which is theirs alone.
ENDS = {
    "POST /-/tokens/end": 404,
    "POST /-/logins/end": 404,
    "DELETE /api/v1/tokens/<name>": 404,
    "DELETE /api/v1/logins/<name>": 200,
}
# About one model: not there for whom it does not concern.
SINGLE = {
    "GET /api/v1/releases/<name>",
    "GET /api/v1/releases/<name>/stream",
    "GET /api/v1/releases/<name>/logs",
    "GET /api/v1/releases/<name>/report",
    "GET /api/v1/releases/<name>/increments",
    "GET /api/v1/releases/<name>/lineage",
    "GET /api/v1/targets/<model>/<environment>/lineage",
    "GET /api/v1/targets/<model>/<environment>/served",
    "GET /api/v1/models/<name>/labels",
    "GET /-/targets/<model>/<environment>",
    "GET /-/releases/<name>",
    "GET /-/releases/<name>/live",
    "GET /-/releases/<name>/pictures",
    "GET /-/releases/<name>/stream",
    "GET /-/releases/<name>/logs",
}
ASKING = {
    "GET /api/v1/verdicts/<model>/<environment>",
    "POST /api/v1/gates/<gate>/<model>/<environment>",
}
ANY_TOKEN = {"GET /api/v1/me"}
INTAKE = {"POST /api/v1/commands", "POST /api/v1/labels"}
INTAKE_OPEN = {
    "POST /hooks/<source>",
    "OPTIONS /hooks/<source>",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}
# What `service.identity.access` says of each list, so that neither is changed alone.
SCOPES = {"open": set(ANYBODY), "all": WHOLE | ADMITS, "own": LISTS | ANY_TOKEN}


@dataclass
class Http:
    """The servers of an installation with two models, and ten people."""

    world: World
    web: str
    intake: str
    tokens: dict[tuple[str, str], str]
    pages: dict[tuple[str, str], requests.Session]

    def ask(self, route, who, model, query=""):
        """The answer of an address to one of them; on the page by their login."""
        method, rule = route.split(" ")
        path = filled(rule, model) + query
        if rule.startswith("/-/"):
            asking = self.pages.get(who, requests)
            data = {"proof": self.proof(asking)} if method == "POST" else None
            return asking.request(method, self.web + path, data=data, allow_redirects=False, timeout=10)
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}
        return requests.request(method, self.web + path, headers=headers, allow_redirects=False, timeout=10)

    def proof(self, session):
        found = re.search(r'name="proof" value="([0-9a-f]+)"', session.get(f"{self.web}/-/", timeout=10).text)
        return found[1] if found else ""

    def command(self, who, verb, subject):
        """What the intake says to a command: its delivery's number, or the status that refused it."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        body = {"verb": verb, "subject": subject}
        told = requests.post(f"{self.intake}/api/v1/commands", json=body, headers=headers, timeout=10)
        return told.json()["delivery"] if told.status_code == 202 else told.status_code


def filled(rule, model):
    event = "1"
    names = {"model": model, "environment": "production", "gate": "rollback", "delivery": "1", "code": "x"}
    name = event if "/events/" in rule else model if "/models/" in rule else NAMES[model]
    for key, value in {**names, "name": name}.items():
        rule = rule.replace(f"<{key}>", value)
    return rule


@pytest.fixture(scope="module")
def stores(request):
    """On PostgreSQL, too: `make test-hosts`."""
    if os.environ.get("SEGUE_TEST_SCENARIOS") != "postgres":
        return {}
    return {"database": request.getfixturevalue("postgres").new_database()}


@pytest.fixture(scope="module", autouse=True)
def streams_that_end():
    """Who is asked may be let in, and is told nothing then."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "LONGEST_SECONDS", 0.0)
        yield


@pytest.fixture(scope="module")
def http(tmp_path_factory, stores):
    world = World(tmp_path_factory.mktemp("world"), **stores)
    declared = WINE + "approvals: {count: 1}\n"
    for model in (OWN, FOREIGN):
        text = declared.replace("name: wine", f"name: {model}")
        files = {"segue.yaml": text, "requirements.lock": "", "serve.py": "1"}
        world.push({f"{model}/{name}": content for name, content in files.items()})
        world.settle()
        assert world.say("approve", NAMES[model]).ok
    assert [release.model for release in world.releases()] == [OWN, FOREIGN]
    made = {
        (role.value, where): tokens.make(world.store, f"{role}-{where}", grants=[roles.grant(role, where)])
        for role, where in CALLERS
    }
    web, intake = Served(world.web.application), Served(world.intake.application)
    address = f"http://127.0.0.1:{web.port}"
    pages = {who: logged_in(address, token) for who, token in made.items() if who[0] in SEEING}
    yield Http(world, address, f"http://127.0.0.1:{intake.port}", made, pages)
    for session in pages.values():
        session.close()  # first: a server waits for the connections that are kept
    web.end()
    intake.end()
    world.close()


def logged_in(address, token):
    session = requests.Session()
    data = {"token": token}
    assert session.post(f"{address}/-/login", data=data, allow_redirects=False, timeout=10).status_code == 303
    return session


def rules(application):
    return {
        f"{method} {rule.rule}"
        for rule in application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


# --- no address and no verb is forgotten -----------------------------------------------------


def test_every_address_is_in_one_list_and_in_the_table(http):
    lists = [set(ANYBODY), LISTS, WHOLE, ADMITS, SINGLE, ASKING, ANY_TOKEN]
    assert sum(map(len, lists)) == len(set.union(*lists))
    assert rules(http.world.web.application) - {"GET /static/<path:filename>"} == set.union(*lists)
    assert set(access.ROUTES) == set.union(*lists)
    assert rules(http.world.intake.application) - {"GET /static/<path:filename>"} == INTAKE | INTAKE_OPEN - {
        "OPTIONS /hooks/<source>"
    }


def test_the_table_says_of_each_what_the_lists_say():
    for scope, wanted in SCOPES.items():
        assert {route for route, needs in access.ROUTES.items() if needs.scope == scope} == wanted
    assert {route for route, needs in access.ROUTES.items() if needs.action == "ask"} == ASKING
    assert {route for route, needs in access.ROUTES.items() if needs.action == "admit"} == ADMITS


def test_an_address_that_nobody_thought_of_answers_nobody(tmp_path):
    world = World(tmp_path)
    blueprint = world.web.application.blueprints["api"]
    world.web.application._got_first_request = False
    blueprint._got_registered_once = False
    blueprint.get("/forgotten")(lambda: "everything")
    world.web.application.register_blueprint(blueprint, name="again", url_prefix="/api/v2")
    token = tokens.make(world.store, "owner")
    answer = world.web.get("/api/v2/forgotten", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    world.close()


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("route", sorted(ANYBODY))
def test_anybody_may_come_where_nothing_is_shown(http, route):
    assert http.ask(route, None, OWN).status_code == ANYBODY[route]


@pytest.mark.parametrize("route", sorted(LISTS | WHOLE | ADMITS | SINGLE | ASKING | ANY_TOKEN))
def test_nobody_unknown_may_come_anywhere_else(http, route):
    for model in (OWN, FOREIGN):
        assert http.ask(route, None, model).status_code == 401


def expected(route, role, where, model):
    """The status that somebody with this role there must get."""
    page = "/-/" in route
    if page and role not in SEEING:
        return 401  # such a token does not log in
    theirs = model == OWN or where == "*"
    if route in ANY_TOKEN:
        return 200
    if route in ASKING:
        return {200, 409} if theirs else 404
    if route in LISTS:
        good = {"POST /-/commands": 400, "POST /-/logout": 303, "POST /api/v1/simulations": 400}.get(
            route, 200
        )
        if route in ENDS:
            good = ENDS[route] if (role, where) == ("admin", "*") else 403
        return good if role in SEEING else 403
    if route in ADMITS:
        return LET_IN.get(route, 400) if (role, where) == ("admin", "*") else 403
    if route in WHOLE:
        good = {"POST /api/v1/record/proof": 422}.get(route, 200)  # held against no checkpoint
        return good if role in SEEING and where == "*" else 403
    return 200 if role in SEEING and theirs else 404


@pytest.mark.parametrize("model", [OWN, FOREIGN])
@pytest.mark.parametrize(
    "route", sorted((LISTS | WHOLE | ADMITS | SINGLE | ASKING | ANY_TOKEN) - {"POST /-/logout"})
)
def test_every_role_gets_what_is_theirs_and_nothing_else(http, route, model):
    for role, where in CALLERS:
        wanted = expected(route, role.value, where, model)
        got = http.ask(route, (role.value, where), model).status_code
        assert got in (wanted if isinstance(wanted, set) else {wanted}), (role, where)


def test_everybody_may_log_out(http):
    for role, where in CALLERS:
        if role.value not in SEEING:
            continue
        other = logged_in(http.web, http.tokens[role.value, where])
        data = {"proof": http.proof(other)}
        assert (
            other.post(f"{http.web}/-/logout", data=data, allow_redirects=False, timeout=10).status_code
            == 303
        )
        assert other.get(f"{http.web}/-/", timeout=10).status_code == 401
        other.close()


@pytest.mark.parametrize("route", ["GET /api/v1/releases", "GET /api/v1/targets", "GET /api/v1/models", "GET /-/", "GET /-/releases"])  # fmt: skip
def test_lists_name_nothing_foreign(http, route):
    for role in sorted(SEEING):
        some = http.ask(route, (role, "wine/*"), OWN).text
        assert OWN in some
        assert FOREIGN not in some
        assert NAMES[FOREIGN] not in some
        assert FOREIGN in http.ask(route, (role, "*"), OWN).text


# What is asked of one's own model, with what may be asked of it besides.
OWN_QUERIES = {
    "GET /api/v1/targets/<model>/<environment>/lineage": "?form=cyclonedx",
    "GET /-/targets/<model>/<environment>": "?at=2100-01-01T00:00",
    "GET /-/simulator": "?policy=wine/production",
}


def test_nothing_that_is_told_of_ones_own_model_names_another(http):
    """Both lie in one repository, and the other's release came later: in no page, list, stream or record."""
    for role in sorted(SEEING):
        for route in sorted((SINGLE | ASKING | LISTS | ANY_TOKEN) - {"POST /-/logout"}):
            told = http.ask(route, (role, "wine/*"), OWN, OWN_QUERIES.get(route, "")).text
            assert (FOREIGN in told, NAMES[FOREIGN] in told) == (False, False), (role, route)


def test_what_is_foreign_looks_like_what_is_not_there(http):
    who = ("admin", "wine/*")
    for route in sorted(SINGLE | ASKING):
        foreign = http.ask(route, who, FOREIGN)
        names = {"beer": "nothing", NAMES[FOREIGN]: "rel-99"}
        method, rule = route.split(" ")
        path = filled(rule, FOREIGN)
        for name, other in names.items():
            path = path.replace(name, other)
        session = http.pages[who] if "/-/" in route else requests
        headers = {} if "/-/" in route else {"Authorization": f"Bearer {http.tokens[who]}"}
        missing = session.request(method, http.web + path, headers=headers, timeout=10)
        said = missing.text.replace("nothing/", "beer/").replace("rel-99", NAMES[FOREIGN])
        assert missing.status_code == foreign.status_code == 404
        assert said.replace("model nothing", "model beer") == foreign.text


@pytest.mark.parametrize(
    "route",
    sorted([*(set(access.ROUTES) - {"POST /-/logout"}), "GET /nothing", "GET /-/nothing", "DELETE /-/"]),
)
def test_no_answer_is_taken_for_a_page_that_it_is_not_or_shown_in_a_frame(http, route):
    for who in (None, ("viewer", "wine/*")):
        headers = http.ask(route, who, OWN).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/healthz", "/hooks/git", "/api/v1/commands", "/nothing"])
def test_the_same_of_the_intake(http, path):
    for method in ("GET", "POST", "OPTIONS"):
        headers = requests.request(method, http.intake + path, timeout=10).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_unknown_tokens_stand_in_the_log_and_not_themselves(http):
    headers = {"Authorization": "Bearer segue_a-guess"}
    with capture_logs() as logs:
        assert requests.get(f"{http.web}/api/v1/me", headers=headers, timeout=10).status_code == 401
        asked = requests.post(f"{http.intake}/api/v1/commands", json={}, headers=headers, timeout=10)
    assert asked.status_code == 401
    assert [(one["event"], one["asked"]) for one in logs] == [
        ("unknown token", "GET /api/v1/me"), ("unknown token", "POST /api/v1/commands")
    ]  # fmt: skip
    assert "guess" not in str(logs)


def test_who_is_refused_stands_in_the_log_with_what_they_asked_for_and_not_with_its_name(http):
    with capture_logs() as logs:
        for route in ("GET /api/v1/record", "GET /-/releases/<name>", "GET /-/releases"):
            http.ask(route, ("viewer", "wine/*"), FOREIGN)
    told = [(one["event"], one["who"], one["asked"], one["status"]) for one in logs]
    assert told == [
        ("access denied", "viewer-wine/*", "GET /api/v1/record", 403),
        ("access denied", "viewer-wine/*", "GET /-/releases/<name>", 404),
    ]


# --- commands --------------------------------------------------------------------------------

STEERING = {"start", "promote", "pause", "resume", "abort", "retry", "rollback", "repair"}
BY_ROLE = {
    "viewer": set(),
    "operator": STEERING | {"reject"},
    "approver": {"approve", "reject"},
    "admin": STEERING | {"approve", "reject", "hand-back", "override", "adopt"},
    "verdicts": set(),
}
EVENTS = {"replay-event", "dismiss-event"}
MAY_EVENTS = {"operator", "admin"}


def subject_of(verb, model):
    if verb in EVENTS:
        return "1"
    if verb in {"rollback", "hand-back", "repair", "adopt"}:
        return f"{model}/production"
    return model if verb == "start" else NAMES[model]


def test_every_verb_is_in_the_matrix():
    assert {verb for may in BY_ROLE.values() for verb in may} | EVENTS | {"help"} == set(get_args(Verb))


def test_every_role_may_command_its_own_and_nothing_else(http):
    told = {}
    for role, where in CALLERS:
        for verb in sorted(set(get_args(Verb)) - {"help"}):
            for model in (OWN, FOREIGN):
                delivery = http.command((role.value, where), verb, subject_of(verb, model))
                told[role.value, where, verb, model] = delivery
    http.world.settle(1)
    for (role, where, verb, model), delivery in told.items():
        nowhere = verb not in BY_ROLE[role] and not (verb in EVENTS and role in MAY_EVENTS)
        if nowhere:
            assert delivery == 403, (role, where, verb, model)
            continue
        text = http.world.store.answer(delivery)["text"]
        refused = "may not" in text or "there is nothing named" in text
        may = where == "*" if verb in EVENTS else model == OWN or where == "*"
        assert refused != may, (role, where, verb, model, text)


@pytest.mark.parametrize("model", [OWN, FOREIGN])
def test_labels_are_taken_from_who_operates_the_model(http, model):
    row = {"request": "r", "at": 1_700_000_000, "wrong": True, "version": "v"}
    body = {"model": model, "table": "t.labels", "labels": [row]}
    for role, where in CALLERS:
        headers = {"Authorization": f"Bearer {http.tokens[role.value, where]}"}
        got = requests.post(
            f"{http.intake}/api/v1/labels", json=body, headers=headers, timeout=10
        ).status_code
        theirs = role.value in MAY_EVENTS and (model == OWN or where == "*")
        assert got == (202 if theirs else 403), (role, where)


def test_labels_judge_a_model_everywhere_so_one_environment_is_too_little_for_them(http):
    row = {"request": "r", "at": 1_700_000_000, "wrong": True, "version": "v"}
    body = {"model": OWN, "table": "t.labels", "labels": [row]}
    token = tokens.make(http.world.store, "staging", grants=[roles.grant("operator", "wine/staging")])
    headers = {"Authorization": f"Bearer {token}"}
    told = requests.post(f"{http.intake}/api/v1/labels", json=body, headers=headers, timeout=10)
    assert told.status_code == 403
    assert "operator or admin on wine/*" in told.json()["detail"]


def test_an_answer_is_for_who_asked(http):
    mine, others = ("operator", "wine/*"), ("approver", "wine/*")
    delivery = http.command(mine, "pause", "rel-1")
    http.world.settle(1)
    asked = {who: requests.get(f"{http.web}/api/v1/commands/{delivery}", timeout=10, headers={"Authorization": f"Bearer {http.tokens[who]}"}).json()
             for who in (mine, others, ("viewer", "*"))}  # fmt: skip
    assert asked[mine]["answer"]
    assert asked[others]["answer"] is None
    assert asked["viewer", "*"] == asked[mine]


def test_whoever_names_what_is_not_there_is_not_told_what_else_there_is(http):
    token = tokens.make(http.world.store, "some", grants=[roles.grant("operator", "w*")])
    headers = {"Authorization": f"Bearer {token}"}
    told = {}
    for verb, subject in (("start", "water"), ("rollback", "water"), ("retry", "water"), ("pause", None)):
        body = {"verb": verb} | ({} if subject is None else {"subject": subject})
        answer = requests.post(f"{http.intake}/api/v1/commands", json=body, headers=headers, timeout=10)
        told[verb] = answer.json()["delivery"]
    http.world.settle(1)
    texts = {verb: http.world.store.answer(delivery)["text"] for verb, delivery in told.items()}
    assert texts["start"] == "there is no model 'water'; known: wine"
    assert not [text for text in texts.values() if FOREIGN in text or NAMES[FOREIGN] in text], texts
    assert "None" not in texts["pause"]


# --- between the command and its effect ------------------------------------------------------


def test_who_lost_a_role_or_their_token_in_between_is_refused(tmp_path):
    world = World(tmp_path)
    world.push({"segue.yaml": WINE + "approvals: {count: 1}\n", "requirements.lock": "", "serve.py": "1"})
    world.settle()
    said = {}
    for name in ("less", "gone", "still"):
        token = tokens.make(world.store, name, grants=[roles.grant("approver", "wine")])
        told = {"verb": "reject" if name == "still" else "approve", "subject": "rel-1"}
        answer = world.intake.post(
            "/api/v1/commands", json=told, headers={"Authorization": f"Bearer {token}"}
        )
        said[name] = answer.json["delivery"]
    tokens.make(world.store, "less", grants=[roles.grant("viewer", "wine")])
    assert tokens.revoke(world.store, "gone")
    world.settle()
    texts = {name: world.store.answer(delivery)["text"] for name, delivery in said.items()}
    assert (
        texts["less"]
        == "less may not approve: it needs approver or admin on something, and they have viewer on wine/*"
    )
    assert (
        texts["gone"]
        == "gone may not approve: it needs approver or admin on something, and they have nothing"
    )
    assert texts["still"].startswith("rel-1 is rejected, and no user has met it")
    world.close()
