"""Tokens and logins: whose there are and what each may do; for admins of everything, making and ending them.

A token is in the one answer that made it, and nowhere else. Here it gets roles and an end, never more than
its maker has: without roles, or without end, it is made on the machine itself.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request, url_for

from policies.roles import Grant, Role
from service.bootstrap import Parts
from service.identity import access, admitting, sessions, tokens
from service.identity.admitting import DAY, MOST_DAYS, Wrong
from service.pages import paging
from service.showing import admitted
from service.store.store import Store
from service.web_answers import beyond

DAYS = 90
MOST_PLACES = 20
T = TypeVar("T")


def routes(page: Blueprint, parts: Parts) -> None:
    """The lists, and what is made and ended."""
    store = parts.store

    @page.get("/tokens")
    def tokens_page() -> str:
        return _shown(parts)

    @page.post("/tokens")
    def make_token() -> Response:
        try:
            name, grants, until = _asked(store.now())
        except Wrong as wrong:
            return make_response(_shown(parts, wrong=_sentence(wrong)), 400)
        secret = tokens.add(store, name, grants, until, g.visitor.name)
        if secret is None:
            known = f"There is a token {name!r} already. End it first, or choose another name."
            return make_response(_shown(parts, wrong=known), 409)
        return make_response(_shown(parts, made=name, secret=secret))

    @page.post("/tokens/end")
    def end_token() -> Response:
        own = admitting.own_token(g.visitor.caller)
        return _ended(store, "token", own, lambda name: tokens.revoke(store, name, g.visitor.name))

    @page.post("/logins/end")
    def end_logins() -> Response:
        own = admitting.own_holder(g.visitor.caller)
        return _ended(store, "login", own, lambda whose: sessions.end_all(store, whose, g.visitor.name) > 0)


def _ended(store: Store, what: str, own: str, end: Callable[[str], bool]) -> Response:
    """End what the form names: anybody their own, admins everybody's but the operator's token."""
    name = request.form.get("name", "")
    if name != own and access.denied(store, g.visitor.caller, request, access.ADMITS):
        abort(403)
    if not name or (what == "token" and name == tokens.OPERATOR) or not end(name):
        abort(404)
    if name == own:
        return make_response(redirect(url_for("page.login"), 303))
    return make_response(redirect(url_for("page.tokens_page", ended=what), 303))


def _shown(parts: Parts, *, wrong: str = "", made: str = "", secret: str = "") -> str:
    caller = g.visitor.caller
    everybody = admitting.admits(caller)
    with parts.store.read() as read:
        listed = _page("after", admitting.tokens_seen(read, caller), lambda one: one[0].name)
        opened = admitted.logins(admitting.logins_seen(read, caller))
        logins = _page("login", opened, lambda one: str(one["holder"]))
        roles_given = admitting.grants_given(read) if everybody else []
        given = _page("given", roles_given, lambda one: f"{one.holder} {one.grant}")
        now = read.now  # by whose clock tokens end
    return render_template(
        "tokens.html",
        now=now,
        tokens=listed,
        logins=logins,
        given=given,
        own=admitting.own_token(caller),
        operator=tokens.OPERATOR,
        everybody=everybody,
        roles=list(Role),
        days=DAYS,
        most_days=MOST_DAYS,
        form=request.form if wrong else {},
        wrong=wrong,
        made=made,
        secret=secret,
        ended=request.args.get("ended", ""),
    )


def _page(begins: str, found: Iterable[T], name: Callable[[T], str]) -> dict[str, Any]:
    """What the template is given of a list: the rows behind those that the query says it begins after."""
    after = request.args.get(begins, "")
    rows, following = beyond(found, after, paging.SIZE, name)
    return {"rows": rows, "next": following, "after": after, "begins": begins}


# --- what the form asks ----------------------------------------------------------------------


def _asked(now: float) -> tuple[str, list[Grant], float]:
    """Name, roles and when it ends. Raises `Wrong`."""
    name = admitting.token_name(request.form.get("name", ""))
    days = request.form.get("days", "").strip()
    if not (days.isascii() and days.isdigit() and len(days) < 5 and 0 < int(days) <= MOST_DAYS):
        raise Wrong(f"write after how many days it ends, from 1 to {MOST_DAYS}")
    return name, _grants(), admitting.end(now + int(days) * DAY, now, g.visitor.caller)


def _grants() -> list[Grant]:
    chosen = request.form.getlist("role")[: len(Role)]
    places = [part.strip() for part in request.form.get("where", "").split(",") if part.strip()]
    if not chosen or not 0 < len(places) <= MOST_PLACES:
        raise Wrong(
            "choose at least one role, and write where it holds: * for everywhere, or wine, */staging"
        )
    return admitting.grants((role, where) for role in chosen for where in places)


def _sentence(wrong: Wrong) -> str:
    return f"{str(wrong)[:1].upper()}{str(wrong)[1:]}."
