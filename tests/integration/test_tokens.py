"""`segue token`, `segue grant`: made and shown once, listed, narrowed, ended; the one before ends, too."""

import json
import sqlite3

import pytest
from click.testing import CliRunner

from policies.roles import OWNER, Role, grant
from service.cli.main import group
from service.identity import callers, sessions, tokens
from service.ports.identity import Identity
from service.store.rows import Token
from service.store.store import Store


def typed(home, *words, code=0):
    result = CliRunner().invoke(group, words, env={"SEGUE_HOME": str(home)})
    assert result.exit_code == code, result.output
    return result.output.strip()


@pytest.fixture
def store(tmp_path):
    typed(tmp_path, "migrate")
    opened = Store.open(f"sqlite:///{tmp_path}/stores/engine.db")
    yield opened
    opened.close()


def rights(store, token):
    found = tokens.actor(store, f"Bearer {token}")
    return None if found is None else str(found.rights)


def test_a_token_speaks_for_its_name_until_another_is_made(tmp_path, store):
    first = typed(tmp_path, "token", "ann")
    assert tokens.actor(store, f"Bearer {first}").name == "ann"
    second = typed(tmp_path, "token", "ann")
    assert tokens.actor(store, f"Bearer {first}") is None
    assert tokens.actor(store, f"Bearer {second}").name == "ann"
    stored = b"".join(file.read_bytes() for file in (tmp_path / "stores").iterdir())
    assert tokens.digest_of(second).encode() in stored
    assert not any(secret.encode() in stored for secret in (first, second)), "only a digest is kept"


def test_the_operators_own_token_is_not_replaced(tmp_path):
    typed(tmp_path, "token", "operator", code=1)


def test_a_token_without_roles_may_do_everything_as_those_from_before_there_were_roles(tmp_path, store):
    made = typed(tmp_path, "token", "ann")
    assert tokens.actor(store, f"Bearer {made}").rights == OWNER
    with sqlite3.connect(tmp_path / "stores" / "engine.db") as connection:
        kinds = dict(connection.execute("SELECT name, role FROM token"))
    connection.close()
    assert kinds == {"operator": "operator", "ann": "operator"}


def test_a_token_may_do_what_its_roles_say_and_a_new_one_of_its_name_what_its_own_say(tmp_path, store):
    made = typed(
        tmp_path, "token", "ann", "--role", "viewer", "--role", "approver", "--on", "wine", "--on", "*/test"
    )
    assert rights(store, made) == (
        "approver on */test, viewer on */test, approver on wine/*, viewer on wine/*"
    )
    again = typed(tmp_path, "token", "ann", "--role", "operator")
    assert (rights(store, made), rights(store, again)) == (None, "operator on */*")
    only = typed(tmp_path, "token", "argo", "--only", "verdicts")
    assert rights(store, only) == "verdicts on */*"


def test_a_token_of_which_only_its_table_is_known_may_do_nothing(tmp_path, store):
    made = typed(tmp_path, "token", "ann", "--role", "viewer")
    with sqlite3.connect(tmp_path / "stores" / "engine.db") as connection:
        connection.execute("UPDATE token SET role = 'of-a-newer-version' WHERE name = 'ann'")
    connection.close()
    assert rights(store, made) == "nothing"


def test_a_token_ends_when_it_was_to_and_when_it_is_revoked_and_its_logins_with_it(tmp_path, store):
    short = json.loads(typed(tmp_path, "token", "ci", "--expires", "90d", "--json"))
    assert 89 * 86_400 < short["expires"] - store.now() < 91 * 86_400
    with store.change() as change:
        change.save_token(Token("ci", tokens.digest_of(short["token"]), "operator", 0.0, change.now - 1))
    assert rights(store, short["token"]) is None
    made = typed(tmp_path, "token", "ann", "--role", "viewer")
    session = sessions.begin(store, made)
    assert sessions.visitor(store, session).name == "ann"
    assert typed(tmp_path, "token", "ann", "--revoke") == "ann's token is no more"
    assert rights(store, made) is None
    assert sessions.visitor(store, session) is None
    assert "segue tokens" in typed(tmp_path, "token", "ann", "--revoke", code=1)
    with store.read() as read:
        assert callers.all_given(read) == []


def test_tokens_are_listed_with_what_they_may_do_and_never_themselves(tmp_path, store):
    made = [
        typed(tmp_path, "token", "ann", "--role", "viewer", "--on", "wine"),
        typed(tmp_path, "token", "bob"),
    ]
    listed = typed(tmp_path, "tokens")
    assert "ann" in listed
    assert "viewer on wine/*" in listed
    assert "admin on */*" in listed
    assert not any(one in listed or tokens.digest_of(one) in listed for one in made)
    told = {one["name"]: one["roles"] for one in json.loads(typed(tmp_path, "tokens", "--json"))["tokens"]}
    assert told["ann"] == [{"role": "viewer", "on": "wine/*"}]
    assert set(told) == {"ann", "bob", "operator"}


@pytest.mark.parametrize("words", [
    ("token", "ann", "--on", "wine"), ("token", "ann", "--role", "root"), ("token", "ann", "--role", "viewer", "--on", "a b"),
    ("grant", "ann", "viewer"), ("grant", "token:ann", "viewer"), ("grant", "@", "viewer"), ("grant", "oidc:", "viewer"),
    ("grant", "oidc:ann"), ("grant", "oidc:ann", "verdicts"), ("grant", "oidc:ann", "--revoke", "--on", "wine"),
])  # fmt: skip
def test_what_gives_no_role_is_wrong_usage(tmp_path, words):
    typed(tmp_path, *words, code=2)


def test_roles_are_given_once_listed_and_taken_back(tmp_path, store):
    assert typed(tmp_path, "grant", "@ml", "operator", "--on", "*/staging") == "@ml has operator on */staging"
    again = json.loads(typed(tmp_path, "grant", "@ml", "operator", "--on", "*/staging", "--json"))
    assert again["changed"] == 0
    typed(tmp_path, "grant", "oidc:ann", "approver", "--on", "wine/production", "--on", "beer")
    typed(tmp_path, "token", "bob", "--role", "viewer")
    listed = json.loads(typed(tmp_path, "grants", "--json"))["grants"]
    assert {(one["who"], one["role"], one["on"]) for one in listed} == {
        ("@ml", "operator", "*/staging"), ("oidc:ann", "approver", "wine/production"), ("oidc:ann", "approver", "beer/*"),
    }  # fmt: skip
    assert "*/staging" in typed(tmp_path, "grants")
    left = typed(tmp_path, "grant", "oidc:ann", "approver", "--on", "beer", "--revoke")
    assert left == "oidc:ann has approver on wine/production"
    assert typed(tmp_path, "grant", "oidc:ann", "--revoke") == "oidc:ann has nothing"
    with store.read() as read:
        caller = callers.of_login(read, "oidc:ann", ["ml", "other"])
        assert str(caller.rights) == "operator on */staging"
        assert Role.OPERATOR in {grant.role for grant in caller.rights.grants}
    assert [one.action for one in store.record_of("role-oidc:ann")] == ["role given"] * 2 + [
        "role taken back"
    ] * 2


def test_logins_are_listed_and_ended_by_name_whichever_way_they_came(tmp_path, store):
    with store.change() as change:
        callers.give(change, "@ml", grant("viewer", "*"), "segue")
    made = tokens.make(store, "ann")
    mine = [sessions.begin(store, made), sessions.redeem(store, sessions.offer(store, made))]
    link = sessions.offer(store, made)
    others = {
        who: sessions.begin_for(store, who, Identity(who, ("ml",), who)) for who in ("oidc:ann", "oidc:bob")
    }
    listed = json.loads(typed(tmp_path, "logins", "--json"))["logins"]
    assert [one["name"] for one in listed] == ["ann", "ann", "oidc:ann", "oidc:bob"]
    assert all(one["since"] <= one["used"] for one in listed)
    assert typed(tmp_path, "logins", "oidc:ann", "--end") == "1 login of oidc:ann ended"
    assert typed(tmp_path, "logins", "ann", "--end") == "2 logins of ann ended"
    assert [sessions.visitor(store, one) for one in (*mine, others["oidc:ann"])] == [None] * 3
    assert sessions.redeem(store, link) is None
    assert sessions.visitor(store, others["oidc:bob"]) is not None
    assert "oidc:bob" in typed(tmp_path, "logins")
    assert typed(tmp_path, "logins", "oidc:ann") == "nobody is logged in"
    assert [one.action for one in store.record_of("login-oidc:ann")] == ["logged in", "logged out"]
    typed(tmp_path, "logins", "--end", code=2)
