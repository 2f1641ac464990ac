"""Tokens and logins: whose there are and what each may do; for admins of everything, making and ending them.

A token is in the one answer that made it, and nowhere else. Here it gets roles and an end, never more than
its maker has: without roles, or without end, it is made on the machine itself.
"""

from collections.abc import Callable

from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request, url_for

from policies import roles
from policies.roles import Grant, Role
from service.bootstrap import Parts
from service.identity import callers, sessions, tokens
from service.identity.callers import MACHINE, OF_TOKEN

LONGEST_NAME = 100
DAYS, MOST_DAYS = 90, 365
DAY = 86_400.0
MOST_PLACES = 20


class Wrong(ValueError):
    """What was written cannot be; says what to write."""


def routes(page: Blueprint, parts: Parts) -> None:
    """The lists, and what is made and ended."""
    store = parts.store

    @page.get("/tokens")
    def tokens_page() -> str:
        return _shown(parts)

    @page.post("/tokens")
    def make_token() -> Response:
        try:
            name, grants, seconds = _asked()
        except Wrong as wrong:
            return make_response(_shown(parts, wrong=str(wrong)), 400)
        until = store.now() + seconds
        secret = tokens.add(store, name, grants, until, g.visitor.name)
        if secret is None:
            known = f"There is a token {name!r} already. End it first, or choose another name."
            return make_response(_shown(parts, wrong=known), 409)
        return make_response(_shown(parts, made=name, secret=secret))

    @page.post("/tokens/end")
    def end_token() -> Response:
        return _ended("token", _own_token(), lambda name: tokens.revoke(store, name, g.visitor.name))

    @page.post("/logins/end")
    def end_logins() -> Response:
        return _ended("login", _holder(), lambda holder: sessions.end_all(store, holder, g.visitor.name) > 0)


def _ended(what: str, own: str, end: Callable[[str], bool]) -> Response:
    """End what the form names: anybody their own, admins everybody's but the operator's token."""
    name = request.form.get("name", "")
    if name != own and not g.visitor.rights.may_everywhere("admit"):
        abort(403)
    if not name or (what == "token" and name == tokens.OPERATOR) or not end(name):
        abort(404)
    if name == own:
        return make_response(redirect(url_for("page.login"), 303))
    return make_response(redirect(url_for("page.tokens_page", ended=what), 303))


def _shown(parts: Parts, *, wrong: str = "", made: str = "", secret: str = "") -> str:
    rights, own = g.visitor.rights, _own_token()
    everybody = rights.may_everywhere("admit")
    with parts.store.read() as read:
        listed = [one for one in tokens.listed(read) if everybody or one[0].name == own]
        logins = [one for one in sessions.all_open(read) if everybody or one.holder == _holder()]
        given = [one for one in callers.all_given(read) if not one.holder.startswith(OF_TOKEN)]
        now = read.now  # by whose clock tokens end
    return render_template(
        "tokens.html",
        now=now,
        tokens=listed,
        logins=logins,
        given=given if everybody else [],
        own=own,
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


def _own_token() -> str:
    """The name of the token that the visitor came by; empty for a login by a provider."""
    holder = _holder()
    return holder.removeprefix(OF_TOKEN) if holder.startswith(OF_TOKEN) else ""


def _holder() -> str:
    """Whose login the visitor's is: a token's, or that of whom the provider named."""
    (first, *_) = g.visitor.caller.holders
    return str(first)


# --- what the form asks ----------------------------------------------------------------------


def _asked() -> tuple[str, list[Grant], float]:
    """Name, roles and seconds until the end. Raises `Wrong`."""
    name, days = request.form.get("name", "").strip(), request.form.get("days", "").strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name[0] == "@" or ":" in name:
        raise Wrong(
            "Write whose token it is, as Git calls them: up to 100 letters, without `:`, such as ann."
        )
    if name == tokens.OPERATOR:
        raise Wrong("The operator's token is made by `segue up`; choose another name.")
    if name == MACHINE:
        raise Wrong("In the record that is Segue itself; choose another name.")
    if not (days.isascii() and days.isdigit() and len(days) < 5 and 0 < int(days) <= MOST_DAYS):
        raise Wrong(f"Write after how many days it ends, from 1 to {MOST_DAYS}.")
    return name, _grants(), int(days) * DAY


def _grants() -> list[Grant]:
    chosen = request.form.getlist("role")[: len(Role)]
    places = [part.strip() for part in request.form.get("where", "").split(",") if part.strip()]
    if not chosen or not 0 < len(places) <= MOST_PLACES:
        raise Wrong(
            "Choose at least one role, and write where it holds: * for everywhere, or wine, */staging."
        )
    try:
        return [roles.grant(role, where) for role in chosen for where in places]
    except ValueError as reason:
        raise Wrong(f"{str(reason)[:1].upper()}{str(reason)[1:]}.") from None
