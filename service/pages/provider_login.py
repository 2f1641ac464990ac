"""Login by the provider of identities: there and back, bound to the browser that began it; and logout: there,
when it begins here, and here, as the provider itself says it (OpenID Connect Back-Channel Logout 1.0).

A cookie holds one random secret; all that the provider sees follows from it by a digest. Nothing is stored
here before somebody is known, so that strangers cannot fill anything.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from service import plugins
from service.identity import sessions
from service.machine.installation import place
from service.pages import door
from service.ports.identity import Attempt, Identity, IdentityProvider
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from service.store.store import Store

log = structlog.get_logger()
SECONDS = 600  # in which a login that was begun must come back
ACTOR = "oidc:"  # begins the names of those whom the provider knows
# Conversations with the provider at a time: strangers can begin them, and while it hangs each holds one of
# the page's threads, of which everybody else needs some.
AT_ONCE = 3
PATIENCE = 1.0  # seconds that a logout waits for its turn: providers send it once
_BETWEEN = "."  # the secret, and where to go afterwards


class _Talking:
    """Conversations with the provider, of logins and of logouts each so many at a time.

    It is opened by the first of them: what it needs is read only then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: list[IdentityProvider] = []
        self._logins, self._logouts = (threading.BoundedSemaphore(AT_ONCE) for _ in range(2))

    def login(self) -> AbstractContextManager[IdentityProvider]:
        """One that raises `Retry` where there are so many."""
        return self._among(self._logins, 0.0)

    def logout(self, wait: float = 0.0) -> AbstractContextManager[IdentityProvider]:
        """The same, after so many seconds."""
        return self._among(self._logouts, wait)

    @contextmanager
    def _among(self, turns: threading.BoundedSemaphore, wait: float) -> Iterator[IdentityProvider]:
        if not turns.acquire(timeout=wait):
            raise Retry("others are talking to the provider just now")
        try:
            if not self._kept:
                self._kept.append(plugins.load("identity_providers", "oidc").open(self._settings))
            yield self._kept[0]
        finally:
            turns.release()


def routes(page: Blueprint, store: Store, settings: Settings) -> Callable[[], str | None]:
    """There and back; without a provider neither is there for anybody. What is returned says where to log out
    there: None where the provider has no such place, or does not answer just now."""
    talking = _Talking(settings)
    _logins(page, store, settings, talking)
    return _logouts(page, store, settings, talking)


def _logins(page: Blueprint, store: Store, settings: Settings, talking: _Talking) -> None:
    @page.get("/login/provider")
    def there() -> Response:
        secret = secrets.token_urlsafe(32)
        try:
            with talking.login() as asked:
                where = asked.address(_attempt(secret, settings))
        except (Refused, Retry) as reason:
            return _not_in(reason)
        response = make_response(redirect(where, 303))
        to = door.inside(request.args.get("to", ""))
        response.set_cookie(_cookie(settings), f"{secret}{_BETWEEN}{to}", max_age=SECONDS, **_kept(settings))
        return response

    @page.get("/login/back")
    def back() -> Response:
        if not request.args:  # from a logout there
            return make_response(redirect(url_for("page.login"), 303))
        secret, _, to = request.cookies.get(_cookie(settings), "").partition(_BETWEEN)
        if not secret:
            return _not_in(Refused("this browser began no login in the last ten minutes"))
        try:
            with talking.login() as asked:
                found = asked.identify(_attempt(secret, settings), request.args)
        except (Refused, Retry) as reason:
            return _forgotten(_not_in(reason), settings)
        return _forgotten(_let_in(store, settings, found, door.inside(to)), settings)


def _logouts(
    page: Blueprint, store: Store, settings: Settings, talking: _Talking
) -> Callable[[], str | None]:
    @page.post("/logout/provider")
    def logged_out() -> Response:
        try:
            with talking.logout(PATIENCE) as asked:
                ended = asked.ended(request.form.get("logout_token", ""))
        except (Refused, Retry) as reason:
            return _still_in(reason)
        count = sessions.end_by_provider(store, ended)
        log.info("logout by the provider", logins=count)
        return make_response("", 200)

    def leaving() -> str | None:
        try:
            with talking.logout() as asked:
                return asked.leaving(_back(settings))
        except (Refused, Retry) as reason:
            log.warning("no logout at the provider", reason=str(reason))
            return None

    return leaving


def _still_in(reason: Refused | Retry) -> Response:
    """The error that the provider is owed (section 2.8): 400, whatever it is."""
    log.warning("logout by the provider failed", reason=str(reason))
    return make_response({"error": "invalid_request", "error_description": str(reason)}, 400)


def _let_in(store: Store, settings: Settings, found: Identity, to: str) -> Response:
    name = f"{ACTOR}{found.name}"
    session = sessions.begin_for(store, name, found)
    if session is None:
        log.info("login without a role", name=name)
        return make_response(render_template("stranger.html", name=name), 403)
    # No redirect: a browser sends a strict cookie only where a page of ours leads, and the provider led here.
    response = make_response(render_template("arrived.html", to=to))
    response.set_cookie(door.cookie(settings), session, **door.kept(settings))
    return response


def _not_in(reason: Refused | Retry) -> Response:
    log.warning("login by the provider failed", reason=str(reason))
    status = 503 if isinstance(reason, Retry) else 401
    wrong = f"{str(reason)[:1].upper()}{str(reason)[1:]}. Try again, or use a token."
    return make_response(render_template("login.html", to=door.ROOT, wrong=wrong), status)


def _attempt(secret: str, settings: Settings) -> Attempt:
    def follows(what: str) -> str:
        return hashlib.sha256(f"{what}:{secret}".encode()).hexdigest()

    return Attempt(follows("state"), follows("nonce"), follows("verifier"), _back(settings))


def _back(settings: Settings) -> str:
    """Where the provider leads back to, after a login and after a logout."""
    return place(settings).web + url_for("page.back")


def _cookie(settings: Settings) -> str:
    return f"{door.cookie(settings)}-login"


def _kept(settings: Settings) -> dict[str, Any]:
    """As the session's, but sent where the provider leads back: that comes from its site."""
    return {key: value for key, value in door.kept(settings).items() if key != "max_age"} | {
        "samesite": "Lax"
    }


def _forgotten(response: Response, settings: Settings) -> Response:
    kept = _kept(settings)
    response.delete_cookie(
        _cookie(settings), **{key: kept[key] for key in ("path", "secure", "httponly", "samesite")}
    )
    return response
