"""Who may do what, over HTTP: tokens, logins, roles and people, for who lets others in from elsewhere.

A token is in the one answer that made it, and nowhere else. Nobody gives more than they have, nor for
longer: see `admitting`, by which the page and the command line go, too.
"""

from typing import Any, NoReturn

from flask import Blueprint, Response, abort, g, jsonify, request

from policies.roles import Grant
from service.identity import access, admitting, callers, people, sessions, tokens
from service.identity.admitting import MOST_GRANTS, Wrong
from service.problems import problem
from service.showing import admitted
from service.store.store import Store
from service.web_answers import by_name, listed
from service.web_bodies import body, text, texts


def add(api: Blueprint, store: Store) -> None:
    """Their addresses."""
    api.register_error_handler(Wrong, lambda wrong: problem(400, str(wrong)))
    _tokens(api, store)
    _logins(api, store)
    _grants(api, store)
    _people(api, store)


def _tokens(api: Blueprint, store: Store) -> None:
    @api.get("/tokens")
    def all_tokens() -> Response:
        with store.read() as read:
            seen = admitting.tokens_seen(read, g.caller)
        rows, following = by_name(seen, lambda one: one[0].name)
        return listed("after", following, tokens=[admitted.token(one, may) for one, may in rows])

    @api.post("/tokens")
    def make_token() -> Response:
        told = body(("name", "roles", "expires"))
        name, given = admitting.token_name(text(told, "name")), _roles(told["roles"])
        until = admitting.end(_moment(told["expires"]), store.now(), g.caller)
        secret = tokens.add(store, name, given, until, g.caller.name)
        if secret is None:
            abort(409, f"there is a token {name!r} already; end it first, or choose another name")
        made = jsonify(name=name, token=secret, roles=admitted.grants(given), expires=until)
        made.status_code = 201
        return made

    @api.delete("/tokens/<name>")
    def end_token(name: str) -> Response:
        _own_or_admin(store, name, admitting.own_token(g.caller))
        if name == tokens.OPERATOR:
            abort(403, "the operator's token lies beside the stores; it is changed on that machine")
        if not tokens.revoke(store, name, g.caller.name):
            abort(404, f"there is no token {name!r}")
        return jsonify(name=name, revoked=True)


def _logins(api: Blueprint, store: Store) -> None:
    @api.get("/logins")
    def logins() -> Response:
        with store.read() as read:
            seen = admitted.logins(admitting.logins_seen(read, g.caller))
        rows, following = by_name(seen, lambda one: str(one["holder"]))
        return listed("after", following, logins=rows)

    @api.delete("/logins/<name>")
    def end_logins(name: str) -> Response:
        _own_or_admin(store, name, admitting.own_holder(g.caller))
        return jsonify(holder=name, ended=sessions.end_all(store, name, g.caller.name))


def _grants(api: Blueprint, store: Store) -> None:
    @api.get("/grants")
    def grants() -> Response:
        with store.read() as read:
            found = admitting.grants_given(read)
        rows, following = by_name(found, lambda one: f"{one.holder} {one.grant}")
        return listed("after", following, grants=[admitted.given(one) for one in rows])

    @api.post("/grants")
    def give() -> Response:
        told = body(("who", "role", "on"))
        who, grant = admitting.given(*(text(told, key) for key in ("who", "role", "on")))
        with store.change() as change:
            new = callers.give(change, who, grant, g.caller.name)
            rights = callers.granted(change, [who])
        return jsonify(who=who, changed=int(new), roles=admitted.grants(rights.grants))

    @api.delete("/grants")
    def take_back() -> Response:
        who, grant = admitting.holder(request.args.get("who", "")), _named_grant()
        with store.change() as change:
            gone = callers.take_back(change, who, g.caller.name, grant)
            rights = callers.granted(change, [who])
        return jsonify(who=who, changed=gone, roles=admitted.grants(rights.grants))


def _people(api: Blueprint, store: Store) -> None:
    @api.get("/persons")
    def persons() -> Response:
        with store.read() as read:
            known = people.everybody(read)
        rows, following = by_name(known.items(), lambda one: one[0])
        found = [{"name": name, "accounts": list(accounts)} for name, accounts in rows]
        return listed("after", following, persons=found)

    @api.put("/persons/<name>")
    def name_accounts(name: str) -> Response:
        theirs = admitting.accounts(name, texts(body(("accounts",)), "accounts"))
        return jsonify(name=name, accounts=people.name(store, name, theirs, g.caller.name))

    @api.delete("/persons/<name>")
    def forget(name: str) -> Response:
        with store.read() as read:
            known = {one.casefold() for one in people.everybody(read)}
        if name.casefold() not in known:
            abort(404, f"no accounts of {name!r} are known")
        return jsonify(name=name, accounts=people.name(store, name, (), g.caller.name))


def _own_or_admin(store: Store, named: str, own: str) -> None:
    """Go on where it is the caller's own, or they let in and put out everybody; 403 else, whether there is
    such a one or not."""
    refused = None if named == own else access.denied(store, g.caller, request, access.ADMITS)
    if refused is not None:
        abort(refused.status, refused.why)


def _roles(told: Any) -> list[Grant]:
    """The roles of a new token: 400 for what is no list of them."""
    if not isinstance(told, list) or not 0 < len(told) <= MOST_GRANTS:
        _no_roles()
    if not all(isinstance(one, dict) and set(one) == {"role", "on"} for one in told):
        _no_roles()
    pairs = [(one["role"], one["on"]) for one in told]
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        _no_roles()
    return list(dict.fromkeys(admitting.grants(pairs)))


def _no_roles() -> NoReturn:
    abort(
        400, f'`roles` must be from 1 to {MOST_GRANTS} objects such as {{"role": "viewer", "on": "wine/*"}}'
    )


def _moment(told: Any) -> float:
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        abort(400, "`expires` must be a time in Unix seconds, such as 1767225600")
    return float(told)


def _named_grant() -> Grant | None:
    """The role that the query names; None where it names none, which is every role."""
    role, where = request.args.get("role"), request.args.get("on")
    if (role is None) != (where is None):
        abort(400, "write both `role` and `on`, or neither for every role")
    if role is None or where is None:
        return None
    (found,) = admitting.grants([(role, where)])
    return found
