"""Who may come in to the API: a token everywhere, and what it is asked for must be allowed to it."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, g, request

from service.identity import access
from service.identity.callers import Caller
from service.problems import problem
from service.store.store import Store

log = structlog.get_logger()


def guard(routes: Blueprint, store: Store, who: Callable[[Store, str], Caller | None]) -> None:
    """Let nobody in whom `who` does not know by the header `Authorization`, nor to what is not theirs."""

    @routes.before_request
    def known() -> Response | None:
        caller = who(store, request.headers.get("Authorization", ""))
        if caller is None:
            rule = request.url_rule.rule if request.url_rule is not None else ""
            log.info("unknown token", asked=f"{request.method} {rule}")
            return problem(401, "a token is needed: Authorization: Bearer <token>")
        g.caller = caller
        why_not = access.denied(store, caller, request)
        return None if why_not is None else problem(why_not.status, why_not.why)
