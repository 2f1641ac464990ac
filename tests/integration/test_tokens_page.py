"""Tokens on the page: one's own for everybody, all for admins of everything; made once, ended at once."""

import re
from html import unescape

import pytest
from sqlalchemy import event

from policies import roles
from service.identity import callers, sessions, tokens
from service.ports.identity import Identity
from service.store.rows import Token
from tests.scenarios.conftest import World
from tests.visiting import Visitor, words

FORM = {"name": "ci", "role": ["operator", "viewer"], "where": "wine, */staging", "days": "30"}


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    for name, role, where in (("vic", "viewer", "*"), ("own", "admin", "wine"), ("all", "admin", "*")):
        made = tokens.make(world.store, name, grants=[roles.grant(role, where)])
        world.people[name] = made
    yield world
    world.close()


def post(visitor, path, **fields):
    """Send a form of the page as a browser would; the answer."""
    proof = re.search(r'name="proof" value="(\w+)"', visitor.get("/-/tokens").text)[1]
    visitor.answer = visitor.client.post(path, data={"proof": proof, **fields})
    return visitor.answer


def secret_in(answer):
    return re.search(r"segue_[\w-]{40,}", answer.text)[0]


# --- what is seen ----------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["vic", "own"])
def test_who_is_no_admin_of_everything_sees_their_own_alone_and_makes_none(world, who):
    told = Visitor(world, who).text("/-/tokens")
    assert "Your token" in told
    others = set(world.people) - {who}
    assert not [name for name in others if re.search(rf"\b{name}\b", told.replace("all of it", ""))]
    assert "Make a token" not in told
    assert post(Visitor(world, who), "/-/tokens", **FORM).status_code == 403


def test_an_admin_sees_all_what_each_may_and_until_when_and_no_secret(world):
    until = world.clock.now + 100
    tokens.make(world.store, "late", expires=until, grants=[roles.grant("operator", "*/staging")])
    tokens.make(world.store, tokens.OPERATOR)
    told = Visitor(world, "all").text("/-/tokens").replace(" ,", ",")
    assert "vic viewer on */* made just now, never ends" in told
    assert "late operator on */staging" in told
    assert "operator admin on */* made just now, never ends lies beside the stores" in told
    assert not re.search(r"segue_\w", told)
    with world.store.read() as read:
        assert not [one.hash for one in read.tokens() if one.hash in told]


def test_the_lists_need_no_more_queries_for_more_tokens(world):
    visitor, seen = Visitor(world, "all"), []

    def note(_connection, _cursor, sql, *_):
        seen.append(sql)

    event.listen(world.store.engine, "before_cursor_execute", note)
    visitor.get("/-/tokens")
    before = len(seen)
    for number in range(30):
        tokens.make(world.store, f"more-{number}", grants=[roles.grant("viewer", "wine")])
    seen.clear()
    assert "more-29" in visitor.text("/-/tokens")
    assert len(seen) == before


def test_each_list_has_pages_that_tell_every_row_once_whatever_there_is(world):
    names = [f"many-{number:02}" for number in range(60)]
    with world.store.change() as change:
        for name in names:
            change.save_token(Token(name, tokens.digest_of(name), "operator", 0.0, None))
            callers.give(change, f"oidc:{name}", roles.grant("viewer", "*"), "segue")
    for name in names:
        sessions.begin(world.store, name)
    visitor = Visitor(world, "all")
    for what, rows in (
        ("tokens", sorted({*names, *world.people})),
        ("logins", ["all", *names]),
        ("roles", [f"oidc:{name}" for name in names]),
    ):
        found, path = [], "/-/tokens"
        while path:
            page = visitor.get(path).text
            assert len(page) < 160_000
            part = page.split("<section aria-labelledby=")[{"tokens": 1, "logins": 2, "roles": 3}[what]]
            shown = re.findall(r"<li>\s*<strong>([^<]+)</strong>", part)
            assert 0 < len(shown) <= 50
            found += shown
            more = re.search(rf'<a href="([^"]+)" rel="next">More {what}</a>', page)
            path = unescape(more[1]) if more else None
        assert found == rows
    assert "There are no more tokens" in visitor.text("/-/tokens?after=zzz")


def test_who_came_by_a_provider_has_no_token_and_is_told_how_to_get_one(world):
    with world.store.change() as change:
        callers.give(change, "oidc:una", roles.grant("viewer", "*"), "segue")
    visitor = Visitor(world, "vic")
    visitor.client.set_cookie(
        "segue-page", sessions.begin_for(world.store, "oidc:una", Identity("una", (), "id-una")), path="/-/"
    )
    told = visitor.text("/-/tokens")
    assert "have no token" in told
    assert "oidc:una 1 login" in told
    assert post(visitor, "/-/logins/end", name="oidc:una").status_code == 303
    assert visitor.get("/-/").status_code == 401


# --- making ----------------------------------------------------------------------------------


def test_a_token_is_made_shown_once_recorded_and_may_what_was_chosen(world):
    admin = Visitor(world, "all")
    answer = post(admin, "/-/tokens", **FORM)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    secret = secret_in(answer)
    assert secret not in admin.get("/-/tokens").text
    me = world.web.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).json
    assert me["name"] == "ci"
    assert {(one["role"], one["on"]) for one in me["roles"]} == {
        (role, where) for role in ("operator", "viewer") for where in ("wine/*", "*/staging")
    }
    (made,) = [entry for entry in world.store.record_of("token-ci") if entry.action == "token made"]
    assert (made.actor, made.detail["expires"]) == ("all", pytest.approx(world.clock.now + 30 * 86_400))
    world.clock.now += 30 * 86_400 + 1
    headers = {"Authorization": f"Bearer {secret}"}
    assert world.web.get("/api/v1/me", headers=headers).status_code == 401
    with world.store.read() as read:
        stored = str(read.connection.exec_driver_sql("SELECT * FROM record").all())
    assert secret not in stored


def test_a_name_that_has_a_token_gets_no_other_by_the_way(world):
    answer = post(Visitor(world, "all"), "/-/tokens", **{**FORM, "name": "bob"})
    assert answer.status_code == 409
    assert "There is a token &#39;bob&#39; already" in answer.text
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    assert world.web.get("/api/v1/me", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        *(({"name": name}, "Write whose token it is")
          for name in ("", " ", "x" * 101, "@team", "oidc:ann", "a\nb", "a\0b", "\u202eann")),
        ({"name": "operator"}, "choose another name"),
        ({"name": "segue"}, "is Segue itself"),
        *(({"days": days}, "from 1 to 365") for days in ("", "0", "366", "-1", "1.5", "\u0661", "9" * 999)),
        *(({"role": role}, "at least one role") for role in ([],)),
        ({"role": ["king"]}, "'king' is no role"),
        *(({"where": where}, "where it holds") for where in ("", ",", ",".join("a" * 21))),
        ({"where": "a b"}, "names no targets"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_what_to_write_and_makes_nothing(world, wrong, told):
    answer = post(Visitor(world, "all"), "/-/tokens", **{**FORM, **wrong})
    assert answer.status_code == 400
    assert told in words(answer.text)
    assert "segue_" not in answer.text
    with world.store.read() as read:
        assert {one.name for one in read.tokens()} == set(world.people)


# --- ending ----------------------------------------------------------------------------------


def test_an_admin_ends_a_token_and_with_it_its_logins(world):
    bob, admin = Visitor(world, "bob"), Visitor(world, "all")
    answer = post(admin, "/-/tokens/end", name="bob")
    assert answer.headers["Location"] == "/-/tokens?ended=token"
    assert bob.get("/-/").status_code == 401
    assert "The token is no more" in admin.text("/-/tokens?ended=token")
    assert [entry.actor for entry in world.store.record_of("token-bob")][-1] == "all"


def test_everybody_may_end_their_own_and_is_logged_out_by_it(world):
    vic = Visitor(world, "vic")
    assert post(vic, "/-/tokens/end", name="vic").headers["Location"] == "/-/login"
    assert vic.get("/-/").status_code == 401
    assert world.web.post("/-/login", data={"token": world.people["vic"]}).status_code == 401


@pytest.mark.parametrize("path", ["/-/tokens/end", "/-/logins/end"])
@pytest.mark.parametrize("who", ["vic", "own"])
def test_who_is_no_admin_of_everything_ends_nothing_of_others(world, who, path):
    bob = Visitor(world, "bob")
    name = "token:bob" if "logins" in path else "bob"
    assert post(Visitor(world, who), path, name=name).status_code == 403
    assert bob.get("/-/").status_code == 200


def test_who_came_by_a_token_ends_no_login_of_the_provider_that_has_its_name(world):
    world.people["oidc:una"] = tokens.make(world.store, "oidc:una", grants=[roles.grant("viewer", "*")])
    with world.store.change() as change:
        callers.give(change, "oidc:una", roles.grant("viewer", "*"), "segue")
    secret = sessions.begin_for(world.store, "oidc:una", Identity("una", (), "id-una"))
    visitor = Visitor(world, "oidc:una")
    assert visitor.text("/-/tokens").count("1 login") == 1
    assert post(visitor, "/-/logins/end", name="oidc:una").status_code == 403
    assert sessions.visitor(world.store, secret) is not None
    assert post(visitor, "/-/logins/end", name="token:oidc:una").headers["Location"] == "/-/login"
    assert sessions.visitor(world.store, secret) is not None


def test_the_operators_token_is_not_ended_here(world):
    tokens.make(world.store, tokens.OPERATOR)
    admin = Visitor(world, "all")
    for name in (tokens.OPERATOR, "nobody", ""):
        assert post(admin, "/-/tokens/end", name=name).status_code == 404


def test_an_admin_ends_somebodys_logins_and_they_may_come_again(world):
    bob = Visitor(world, "bob")
    answer = post(Visitor(world, "all"), "/-/logins/end", name="token:bob")
    assert answer.headers["Location"] == "/-/tokens?ended=login"
    assert bob.get("/-/").status_code == 401
    Visitor(world, "bob")
