"""The answer that is a stream: who may have one and how many, where it goes on, and what ends it."""

from collections.abc import Callable

from flask import Response, abort, request
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from service.identity import access
from service.identity.callers import Caller
from service.openapi.operation import STREAM
from service.showing.streams import Full, Mark, Streams
from service.store.states import number_of
from service.store.store import Store

GONE = "waitress.client_disconnected"  # whom the server asks whether the connection is still there
RETRY_AFTER = 30  # seconds, for whom there is no room


def answer(streams: Streams, store: Store, name: str, caller: Callable[[], Caller | None]) -> Response:
    """What goes on with a release, for who may see it: `caller` says who that is, each time anew.

    204, at which browsers ask no more, once the release has ended and all of it was told.
    """
    since, number = _since(), number_of(name)
    state, person = streams.state(number), caller()
    if state is None or person is None:
        abort(404, f"there is no release {name}")
    if state.final and state.mark == since:
        over = Response(status=204)
        del over.headers["Content-Type"]
        return over
    needs, named = access.needed(request), dict(request.view_args or {})

    def may() -> bool:
        now = caller()
        return now is not None and access.why_not(store, now.rights, needs, named) is None

    rise = _seat(streams, person.name)
    told = streams.follow(number, since, may, request.environ.get(GONE, lambda: False))
    response = Response(told, content_type=STREAM)
    response.headers["X-Accel-Buffering"] = "no"  # a proxy that waits for more would hold up what was told
    response.call_on_close(rise)
    return response


def _since() -> Mark:
    said = request.headers.get("Last-Event-ID", "")
    try:
        return Mark.of(said) if said else Mark()
    except ValueError as wrong:
        abort(400, str(wrong))


def _seat(streams: Streams, person: str) -> Callable[[], None]:
    try:
        return streams.sit(person)
    except Full as full:
        if full.own:
            why = f"{full}: close one, or ask for the release itself"
            raise TooManyRequests(why, retry_after=RETRY_AFTER) from None
        why = f"{full}: come again later, or ask for the release itself"
        raise ServiceUnavailable(why, retry_after=RETRY_AFTER) from None
