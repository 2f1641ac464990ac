"""Tokens, logins, roles and people over the API: who lets others in gives no more than they have, and stands in the record."""

import json
import threading

import pytest
from structlog.testing import capture_logs

from policies import roles
from service.identity import access, callers, people, sessions, tokens
from service.ports.identity import Identity
from tests.scenarios.conftest import World
from tests.visiting import Visitor

DAY = 86_400.0
VIEWS = [{"role": "viewer", "on": "wine/*"}]
ALL = {"role": "admin", "on": "*"}
CHANGES = [
    ("POST", "tokens", {"name": "ci", "roles": VIEWS, "expires": 1_700_000_000.0 + DAY}),
    ("POST", "grants", {"who": "oidc:una", **ALL}),
    ("DELETE", "grants?who=oidc:una", None),
    ("PUT", "persons/eve", {"accounts": ["code:eve"]}),
    ("DELETE", "persons/eve", None),
    ("DELETE", "tokens/bob", None),
    ("DELETE", "logins/token:bob", None),
]
LISTS = ["tokens", "logins", "grants", "persons"]


@pytest.fixture
def world(tmp_path):
    """Admins of everything, of one model, and for a day; somebody who sees; the operator."""
    world = World(tmp_path)
    made = {
        "all": tokens.make(world.store, "all", grants=[roles.grant("admin", "*")]),
        "own": tokens.make(world.store, "own", grants=[roles.grant("admin", "wine")]),
        "vic": tokens.make(world.store, "vic", grants=[roles.grant("viewer", "*")]),
        "day": tokens.make(world.store, "day", expires=world.clock.now + DAY),
        tokens.OPERATOR: tokens.make(world.store, tokens.OPERATOR),
    }
    world.people |= made
    yield world
    world.close()


def ask(world, who, method, path, sent=None, **how):
    headers = {"Authorization": f"Bearer {world.people[who]}"}
    given = {} if sent is None else {"json": sent}
    return world.web.open(f"/api/v1/{path}", method=method, headers=headers, **given, **how)


def make(world, who, **changed):
    wanted = {"name": "ci", "roles": VIEWS, "expires": world.clock.now + DAY}
    return ask(world, who, "POST", "tokens", {**wanted, **changed})


def told(world, subject):
    """Who did what of it, as the record says."""
    return [(one.actor, one.action) for one in world.store.record_of(subject)]


def everything(world):
    """What there is that these addresses could change."""
    with world.store.read() as read:
        return (
            tokens.listed(read),
            callers.all_given(read),
            people.everybody(read),
            [(one.holder, one.since) for one in sessions.all_open(read)],
        )


# --- who lets in, and puts out ---------------------------------------------------------------


def test_a_token_is_made_told_once_recorded_by_its_maker_and_may_what_was_said(world):
    answer = make(world, "all", roles=[*VIEWS, {"role": "operator", "on": "*/staging"}, *VIEWS])
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json
    world.people["ci"] = made.pop("token")
    both = [{"role": "viewer", "on": "wine/*"}, {"role": "operator", "on": "*/staging"}]
    assert made == {"name": "ci", "roles": both, "expires": world.clock.now + DAY}
    (mine,) = ask(world, "ci", "GET", "tokens").json["tokens"]
    assert (mine["name"], mine["created"], mine["expires"]) == ("ci", world.clock.now, world.clock.now + DAY)
    assert sorted(mine["roles"], key=lambda one: one["on"]) == both[::-1]
    assert told(world, "token-ci") == [("all", "token made")]
    world.clock.now += DAY
    assert ask(world, "ci", "GET", "me").status_code == 401


def test_an_admin_ends_tokens_and_logins_and_the_record_names_them(world):
    bob = Visitor(world, "bob")
    (login,) = ask(world, "all", "GET", "logins").json["logins"]
    assert (login["name"], login["holder"], login["logins"]) == ("bob", "token:bob", 1)
    ended = ask(world, "all", "DELETE", "logins/token:bob").json
    assert ended == {"holder": "token:bob", "ended": 1}
    assert bob.get("/-/").status_code == 401
    assert told(world, "login-bob") == [("all", "logged out")]
    assert ask(world, "all", "DELETE", "tokens/bob").json == {"name": "bob", "revoked": True}
    assert ask(world, "bob", "GET", "me").status_code == 401
    assert told(world, "token-bob")[-1] == ("all", "token revoked")
    assert ask(world, "all", "DELETE", "tokens/bob").status_code == 404


def test_a_role_is_given_once_counts_at_once_and_is_taken_back(world):
    wanted = {"who": "oidc:una", "role": "approver", "on": "wine/production"}
    given = ask(world, "all", "POST", "grants", wanted).json
    assert given == {
        "who": "oidc:una",
        "changed": 1,
        "roles": [{"role": "approver", "on": "wine/production"}],
    }
    assert ask(world, "all", "POST", "grants", wanted).json["changed"] == 0
    ask(world, "all", "POST", "grants", {**wanted, "role": "viewer"})
    secret = sessions.begin_for(world.store, "oidc:una", Identity("una", (), "id-una"))
    assert sessions.visitor(world.store, secret).rights.may("approve", "wine/production")
    listed = ask(world, "all", "GET", "grants").json["grants"]
    assert [(one["who"], one["role"], one["by"]) for one in listed] == [
        ("oidc:una", "approver", "all"),
        ("oidc:una", "viewer", "all"),
    ]
    left = ask(world, "all", "DELETE", "grants?who=oidc:una&role=approver&on=wine/production").json
    assert (left["changed"], [one["role"] for one in left["roles"]]) == (1, ["viewer"])
    assert ask(world, "all", "DELETE", "grants?who=oidc:una").json["roles"] == []
    assert not sessions.visitor(world.store, secret).rights.may("see", "wine/production")
    assert told(world, "role-oidc:una") == [("all", "role given")] * 2 + [("all", "role taken back")] * 2


def test_accounts_are_one_persons_until_they_are_forgotten(world):
    named = ask(world, "all", "PUT", "persons/Ann", {"accounts": ["code:Ann-x", "Ann Example"]}).json
    assert named == {"name": "Ann", "accounts": ["ann", "ann example", "code:ann-x"]}
    assert ask(world, "all", "GET", "persons").json["persons"] == [named]
    assert ask(world, "all", "PUT", "persons/ann", {"accounts": ["code:ann-x"]}).json["accounts"] == [
        "ann",
        "code:ann-x",
    ]
    assert ask(world, "all", "DELETE", "persons/ANN").json["accounts"] == []
    assert ask(world, "all", "GET", "persons").json["persons"] == []
    assert ask(world, "all", "DELETE", "persons/ann").status_code == 404
    assert told(world, "person-Ann") == [("all", "accounts named")]


def test_everybody_sees_and_ends_their_own_and_nothing_else(world):
    for who in ("vic", "own"):
        visitor, bob = Visitor(world, who), Visitor(world, "bob")
        assert [one["name"] for one in ask(world, who, "GET", "tokens").json["tokens"]] == [who]
        assert [one["name"] for one in ask(world, who, "GET", "logins").json["logins"]] == [who]
        refused = [ask(world, who, "DELETE", path) for path in ("tokens/bob", "tokens/nobody")]
        assert [one.status_code for one in refused] == [403, 403]
        assert refused[0].json["detail"] == refused[1].json["detail"]
        assert ask(world, who, "DELETE", "logins/token:bob").status_code == 403
        assert ask(world, who, "DELETE", f"logins/token:{who}").json["ended"] == 1
        assert visitor.get("/-/").status_code == 401
        assert bob.get("/-/").status_code == 200
        assert ask(world, who, "DELETE", f"tokens/{who}").json["revoked"] is True
        assert ask(world, who, "GET", "me").status_code == 401


def test_who_is_refused_for_somebody_elses_stands_in_the_log(world):
    with capture_logs() as logs:
        ask(world, "vic", "DELETE", "tokens/bob")
    assert [(one["event"], one["who"], one["asked"]) for one in logs] == [
        ("access denied", "vic", "DELETE /api/v1/tokens/<name>")
    ]


# --- ways to climb ---------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "sent"), CHANGES)
@pytest.mark.parametrize("who", ["vic", "own"])
def test_an_admin_of_one_model_lets_nobody_in_and_puts_nobody_out(world, who, method, path, sent):
    people.name(world.store, "eve", ("code:eve-x",))
    Visitor(world, "bob")
    before = everything(world)
    assert ask(world, who, method, path, sent).status_code == 403
    assert everything(world) == before


@pytest.mark.parametrize("path", ["grants", "persons"])
def test_nor_do_they_see_whom_others_let_in(world, path):
    assert ask(world, "own", "GET", path).status_code == 403


@pytest.mark.parametrize("seconds", [DAY + 1, 365 * DAY, 366 * DAY, 0, -1])
def test_a_token_that_ends_makes_none_that_ends_later(world, seconds):
    refused = make(world, "day", expires=world.clock.now + seconds)
    assert refused.status_code == 400
    assert "write an end" in refused.json["detail"]
    assert make(world, "day", expires=world.clock.now + DAY).status_code == 201


def test_nor_does_who_is_on_the_page_by_it(world):
    visitor = Visitor(world, "day")
    visitor.get("/-/tokens")
    proof = visitor.answer.text.partition('name="proof" value="')[2].partition('"')[0]
    form = {"proof": proof, "name": "ci", "role": ["viewer"], "where": "*"}
    answer = visitor.client.post("/-/tokens", data={**form, "days": "2"})
    assert answer.status_code == 400
    assert "no later than that of your own token" in answer.text
    assert visitor.client.post("/-/tokens", data={**form, "days": "1"}).status_code == 200


def test_nobody_makes_one_without_end_or_for_more_than_a_year(world):
    for expires in (None, "never", True, 1e300, 10**19, world.clock.now + 365 * DAY + 1):
        assert make(world, "all", expires=expires).status_code == 400
    assert make(world, "all", expires=world.clock.now + 365 * DAY).status_code == 201


def test_one_without_roles_is_not_made_for_it_could_do_everything(world):
    for given in ([], None, {}, "admin", [{}], [{"role": "admin"}], [{**ALL, "more": 1}], [{**ALL, "on": 1}]):
        assert make(world, "all", roles=given).status_code == 400
    assert make(world, "all", roles=[{**ALL, "role": "king"}]).status_code == 400
    assert make(world, "all", roles=[ALL] * 101).status_code == 400


@pytest.mark.parametrize(
    "name", ["operator", "segue", "oidc:una", "@ml", "", " ", "a/b", "a\u202eb", "x" * 101]
)
def test_no_token_has_a_name_that_is_somebody_elses(world, name):
    assert make(world, "all", name=name).status_code == 400


def test_a_name_that_has_a_token_gets_no_other_in_its_place(world):
    refused = make(world, "all", name="bob", roles=[ALL])
    assert (refused.status_code, "token" in refused.json) == (409, False)
    assert ask(world, "bob", "GET", "me").status_code == 200


def test_of_two_who_make_one_of_the_same_name_at_the_same_moment_one_is_given_it(world):
    both, made = threading.Barrier(2), []

    def race(nth):
        both.wait()
        made.append(tokens.add(world.store, "ci", [roles.grant("viewer", "*")], world.clock.now + DAY, nth))

    racing = [threading.Thread(target=race, args=(nth,)) for nth in ("ann", "bob")]
    for one in racing:
        one.start()
    for one in racing:
        one.join()
    (secret,) = [one for one in made if one is not None]
    assert tokens.actor(world.store, f"Bearer {secret}").name == "ci"
    assert len(told(world, "token-ci")) == 1


@pytest.mark.parametrize("who", ["token:all", "token:vic", "all", "vic", "@", ":", "oidc:", ":x", "oidc:\u202ex", "@" + "x" * 200])  # fmt: skip
def test_no_token_gives_itself_or_another_token_a_role(world, who):
    before = everything(world)
    assert ask(world, "all", "POST", "grants", {"who": who, **ALL}).status_code == 400
    assert everything(world) == before


def test_a_tokens_own_roles_are_not_taken_away_one_by_one(world):
    assert ask(world, "all", "DELETE", "grants?who=token:vic").status_code == 400
    assert ask(world, "vic", "GET", "releases").status_code == 200


def test_tools_that_ask_for_verdicts_have_tokens_and_no_roles(world):
    refused = ask(world, "all", "POST", "grants", {"who": "@ml", "role": "verdicts", "on": "*"})
    assert (refused.status_code, "segue token NAME" in refused.json["detail"]) == (400, True)


def test_the_operators_token_is_not_ended_by_anybody(world):
    for who in ("all", tokens.OPERATOR):
        assert ask(world, who, "DELETE", f"tokens/{tokens.OPERATOR}").status_code == 403
    assert ask(world, tokens.OPERATOR, "GET", "me").status_code == 200


def test_what_a_made_token_may_not_it_lets_nobody_else(world):
    everywhere = [{"role": role, "on": "*"} for role in ("viewer", "operator", "approver")]
    world.people["ci"] = make(world, "all", roles=everywhere).json["token"]
    before = everything(world)
    for method, path, sent in CHANGES:
        assert ask(world, "ci", method, path, sent).status_code == 403, path
    assert everything(world) == before


def test_a_login_to_the_page_opens_none_of_it(world):
    """A form of another site would come with the cookie, which stands for a login: it is not even read here."""
    visitor = Visitor(world, "all")
    (cookie,) = [visitor.client.get_cookie(name, path="/-/") for name in ("segue-page",)]
    before = everything(world)
    for method, path, sent in [*CHANGES, *(("GET", path, None) for path in LISTS)]:
        answer = world.web.open(
            f"/api/v1/{path}",
            method=method,
            json=sent,
            headers={"Cookie": f"segue-page={cookie.value}; __Host-segue={cookie.value}"},
        )
        assert answer.status_code == 401, path
    assert everything(world) == before


def test_every_address_that_lets_in_is_tried_here():
    tried = {f"{method} {path.partition('?')[0].partition('/')[0]}" for method, path, _ in CHANGES}
    changing = {
        route for route in access.ROUTES if access.API in route and route[:4] in {"POST", "PUT ", "DELE"}
    }
    named = {f"{method} {rule.split('/')[3]}" for method, rule in (route.split(" ") for route in changing)}
    assert tried == {one for one in named if one.split(" ")[1] in LISTS}


# --- what is sent, and what is kept ----------------------------------------------------------

BODIES = [
    b"", b"[]", b"null", b"\xff", b"{", b'{"name": "ci"}', b'{"accounts": [], "more": 1}',
    b'{"name": "a", "name": "b"}', b'{"name": NaN}', b"[" * 5000, b'{"accounts": "\\ud800"}',
    b'{"who": 1, "role": 1, "on": 1}', b'{"who": "@ml", "role": "viewer", "on": "a b"}',
    b'{"accounts": "code:x"}', b'{"accounts": [1]}', b'{"accounts": []}', b'{"accounts": ["\\u0000"]}',
    b'{"accounts": [" "]}', b'{"accounts": ["a\\u202eb"]}',
    json.dumps({"accounts": ["x"] * 51}).encode(), json.dumps({"accounts": ["x" * 201]}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("sent", BODIES)
def test_what_is_not_what_it_takes_is_refused_with_what_to_write_and_changes_nothing(world, sent):
    before = everything(world)
    for method, path in (("POST", "tokens"), ("POST", "grants"), ("PUT", "persons/eve")):
        answer = ask(world, "all", method, path, data=sent)
        assert (answer.status_code, bool(answer.json["detail"])) == (400, True)
    assert everything(world) == before


def test_what_is_larger_is_not_read(world):
    for method, path in (("POST", "tokens"), ("POST", "grants"), ("PUT", "persons/eve")):
        assert ask(world, "all", method, path, data=b'"' + b"x" * (1 << 20)).status_code == 413


@pytest.mark.parametrize("query", ["", "?who=ann", "?who=@ml&role=viewer", "?who=@ml&on=*", "?who=@ml&role=king&on=*"])  # fmt: skip
def test_what_is_to_be_taken_back_is_named_whole(world, query):
    with world.store.change() as change:
        callers.give(change, "@ml", roles.grant("viewer", "*"), "segue")
    assert ask(world, "all", "DELETE", f"grants{query}").status_code == 400
    assert len(ask(world, "all", "GET", "grants").json["grants"]) == 1


def test_a_token_is_in_the_answer_that_made_it_and_nowhere_else(world):
    with capture_logs() as logs:
        secret = make(world, "all").json["token"]
        world.people["ci"] = secret
        read = [make(world, "all").text, *(ask(world, "all", "GET", path).text for path in LISTS)]
        read += [ask(world, "ci", "GET", path).text for path in ("tokens", "me")]
        read += [ask(world, "all", "GET", path).text for path in ("record", "record/export")]
        read += [ask(world, "all", "DELETE", "tokens/ci").text, ask(world, "ci", "GET", "me").text]
    assert all("ci" in one for one in read[1:2])
    assert not [one for one in (*read, str(logs)) if secret in one or tokens.digest_of(secret) in one]
    kept = [file.read_bytes() for file in world.settings.home.rglob("*") if file.is_file()]
    assert kept
    assert not [one for one in kept if secret.encode() in one]
