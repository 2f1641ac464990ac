"""Who may come in: login by token or one-time link, the cookie, and what each change must carry.

The cookie reaches the page's own path alone: models that serve on this machine's other port never get it.
A form carries its session's proof, which no other site knows, and comes from a page of ours.
"""

import hmac
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for

from service.identity import access, forwarded, sessions
from service.identity.access import Denied
from service.settings import Settings
from service.store.store import Store

log = structlog.get_logger()
ROOT = "/-/"
LOGINS, WINDOW = 10, 60.0  # so many wrong tokens from one address in so many seconds
ADDRESSES = 1000  # that are remembered


class Attempts:
    """Wrong tokens of late, by address. They hold up further wrong ones, and nobody who has a right one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = {}
        self._alone = threading.Lock()

    def wait(self, address: str) -> float:
        """Seconds until that address may try again."""
        with self._alone:
            wrong, now = self._wrong.get(address), self._clock()
            while wrong and wrong[0] <= now - WINDOW:
                wrong.popleft()
            return wrong[0] + WINDOW - now if wrong and len(wrong) >= LOGINS else 0.0

    def failed(self, address: str) -> None:
        """Remember a wrong one."""
        with self._alone:
            if address not in self._wrong and len(self._wrong) >= ADDRESSES:
                del self._wrong[next(iter(self._wrong))]
            self._wrong.setdefault(address, deque()).append(self._clock())


def guard(page: Blueprint, store: Store, settings: Settings) -> None:
    """Let nobody see or do anything without a login."""
    named = cookie(settings)

    @page.before_request
    def known() -> Response | None:
        if request.method == "POST" and not _ours(settings):
            log.warning(
                "form of another site", asked=str(request.url_rule), origin=request.headers.get("Origin")
            )
            return _refused("This form came from another site, so nothing was done.")
        needs = access.needed(request)
        if needs == access.OPEN:
            return None
        secret = request.cookies.get(named, "")
        visitor = sessions.visitor(store, secret) if secret else None
        if visitor is None:
            return _asked()
        g.visitor = visitor
        if request.method == "POST" and not _proves(visitor.proof):
            log.info("form without its proof", asked=str(request.url_rule), who=visitor.name)
            return _refused("This form belongs to another login. Go back, load the page anew, and try again.")
        why_not = access.denied(store, visitor.caller, request)
        return None if why_not is None else _not_theirs(why_not)


def routes(page: Blueprint, store: Store, settings: Settings, leaving: Callable[[], str | None]) -> None:
    """Logging in and out. `leaving`: where whom the provider let in logs out there, if anywhere."""
    named, attempts = cookie(settings), Attempts()

    def let_in(secret: str, to: str) -> Response:
        # Nobody has the cookie of before any more, but who may have copied it.
        if before := request.cookies.get(named):
            sessions.end(store, before)
        response = make_response(redirect(to, 303))
        response.set_cookie(named, secret, **kept(settings))
        return response

    @page.get("/login")
    def login() -> Response:
        return make_response(render_template("login.html", to=inside(request.args.get("to", ""))))

    @page.post("/login")
    def logged_in() -> Response:
        to = inside(request.form.get("to", ""))
        secret = sessions.begin(store, request.form.get("token", "").strip())
        if secret is not None:  # whoever else tried from there: nobody can lock out who knows a token
            return let_in(secret, to)
        address = forwarded.client(
            request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), settings.proxies
        )
        return _not_in(attempts, address, to)

    @page.get("/links")
    def link() -> Response:
        """Where a link leads: its code stands behind `#`, which no browser sends and no proxy sees."""
        return make_response(render_template("link.html"))

    @page.post("/login/link")
    def linked() -> Response:
        secret = sessions.redeem(store, request.form.get("code", "").strip())
        if secret is None:
            wrong = "This link was used already, or is older than ten minutes. Make another: segue open"
            return make_response(render_template("login.html", to=ROOT, wrong=wrong), 401)
        return let_in(secret, ROOT)

    @page.post("/logout")
    def logout() -> Response:
        there = leaving() if sessions.end(store, request.cookies.get(named, "")) else None
        # No redirect to the provider: `form-action` lets a form of ours lead nowhere else.
        g.pop("visitor", None)
        gone = render_template("left.html", there=there) if there else redirect(url_for("page.login"), 303)
        response = make_response(gone)
        response.delete_cookie(named, path=kept(settings)["path"], secure=kept(settings)["secure"])
        # No cookies: those of models that are served on this host are not ours.
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


def _not_in(attempts: Attempts, address: str, to: str) -> Response:
    """The login once more after a wrong token, or when to try again after many."""
    if (wait := attempts.wait(address)) > 0:
        wrong = f"Too many wrong tokens came from your address. Try again in {wait:.0f} s, or use a link."
        response = make_response(render_template("login.html", to=to, wrong=wrong), 429)
        response.headers["Retry-After"] = f"{wait:.0f}"
        return response
    attempts.failed(address)
    log.warning("login by a wrong token", address=address)
    wrong = "Segue does not know this token, or it may see nothing here."
    return make_response(render_template("login.html", to=to, wrong=wrong), 401)


def _asked() -> Response:
    """The login, in place of what was asked for; what refreshes a part of a page is sent to it."""
    if "HX-Request" in request.headers:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = url_for("page.login")
        return response
    to = request.full_path.removesuffix("?") if request.method == "GET" else ROOT
    return make_response(render_template("login.html", to=inside(to)), 401)


def _not_theirs(why: Denied) -> Response:
    title = "Not for you" if why.status == 403 else "There is nothing here"
    return make_response(
        render_template("wrong.html", title=title, why=f"{why.why[:1].upper()}{why.why[1:]}."), why.status
    )


def _refused(why: str) -> Response:
    return make_response(render_template("wrong.html", title="Not done", why=why), 403)


def inside(address: str) -> str:
    """Where to go after the login: an address of the page, never elsewhere."""
    plain = address.isascii() and address.isprintable() and "\\" not in address
    return address if address.startswith(ROOT) and plain else ROOT


def _ours(settings: Settings) -> bool:
    """Whether a form comes from a page of ours, as far as the browser says."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None:
        return urlsplit(origin).netloc in {request.host, urlsplit(settings.web_url or "").netloc} - {""}
    return site in {None, "same-origin", "none"}


def _proves(proof: str) -> bool:
    return hmac.compare_digest(request.form.get("proof", "").encode(), proof.encode())


def _https(settings: Settings) -> bool:
    """Whether people reach the page by HTTPS: this process itself speaks HTTP to a proxy."""
    return (settings.web_url or "").startswith("https://")


def cookie(settings: Settings) -> str:
    """By its name a browser refuses it from others and without HTTPS, where that is spoken."""
    return "__Host-segue" if _https(settings) else "segue-page"


def kept(settings: Settings) -> dict[str, Any]:
    secure = _https(settings)
    return {
        "path": "/" if secure else ROOT,
        "secure": secure,
        "httponly": True,
        "samesite": "Strict",
        "max_age": int(sessions.LONGEST_SECONDS),
    }
