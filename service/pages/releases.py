"""All releases, and one: where it stands, what its guards say, what was decided, what people can do."""

import time
from typing import Any

from flask import Blueprint, Response, abort, g, make_response, render_template, request

from policies.release import Phase, Release
from service import web_streams
from service.bootstrap import Parts
from service.engine import actions, estimating, parked, served
from service.identity import people, sessions
from service.identity.callers import Caller
from service.pages import choices, door, journey, lineage, paging, standing
from service.pages.pictures import Pictures
from service.showing import printed, views
from service.showing.streams import Streams
from service.store.series import Series
from service.store.states import number_of, release_of, target_of, version_of

AGES = 20.0  # seconds after which "2 min ago" is written anew although nothing has happened
ENTRIES = 60  # of its record that are shown: with all that the page loads they stay below 100 kB


def routes(page: Blueprint, parts: Parts, series: Series, streams: Streams) -> None:
    """The list, one release, and the parts of it that are loaded by themselves."""
    pictures = Pictures(series)

    @page.get("/releases")
    def releases() -> str:
        before, opened = paging.before(), "open" in request.args
        final, among = False if opened else None, g.visitor.rights.targets("see")
        with parts.store.read() as read:
            rows = read.releases(final=final, before=before, among=among, limit=paging.SIZE + 1)
            models = [name for name in read.model_names() if g.visitor.rights.may_of_model("start", name)]
        listed, start = [release_of(row) for row in rows], choices.of(models)
        return render_template("releases.html", opened=opened, models=start, **paging.page(listed, before))

    @page.get("/releases/<name>")
    def release(name: str) -> str:
        return render_template("release.html", **_all_of(parts, series, name))

    @page.get("/releases/<name>/live")
    def live(name: str) -> Response:
        """The same again, without what stays; nothing while nothing has changed."""
        found = _all_of(parts, series, name)
        if request.headers.get("HX-PTag") == found["tag"]:
            return make_response("", 304)
        response = make_response(render_template("_live.html", **found))
        response.headers["HX-PTag"] = found["tag"]
        return response

    @page.get("/releases/<name>/stream")
    def stream(name: str) -> Response:
        """Says that something has changed, as soon as it has."""
        secret = request.cookies.get(door.cookie(parts.settings), "")
        return web_streams.answer(streams, parts.store, name, lambda: _caller(parts, secret))

    @page.get("/releases/<name>/pictures")
    def drawn(name: str) -> Response:
        shown = _release(parts, name)
        found = pictures.of(shown)
        if found is not None and request.headers.get("HX-PTag") == found.tag:
            return make_response("", 304)
        template = "_pictures.html" if "HX-Request" in request.headers else "pictures.html"
        response = make_response(render_template(template, one=views.release(shown), found=found))
        if found is not None:
            response.headers["HX-PTag"] = found.tag
        return response

    @page.get("/releases/<name>/logs")
    def logs(name: str) -> str:
        shown = _release(parts, name)
        return render_template("logs.html", one=views.release(shown), logs=printed.of_release(parts, shown))


def _caller(parts: Parts, secret: str) -> Caller | None:
    visitor = sessions.visitor(parts.store, secret)
    return None if visitor is None else visitor.caller


def _release(parts: Parts, name: str) -> Release:
    row = parts.store.release(number_of(name))
    if row is None:
        abort(404)
    return release_of(row)


def _all_of(parts: Parts, series: Series, name: str) -> dict[str, Any]:
    """Everything about a release but its pictures and logs, and a tag that changes with it."""
    with parts.store.read() as read:
        row = read.release(number_of(name))
        if row is None:
            abort(404)
        shown = release_of(row)
        version = read.version(shown.version)
        target, now = target_of(read.target(shown.target), shown.target), read.now
        record = read.newest_of_record(name, limit=ENTRIES)
        accounts = people.accounts(read, g.visitor.name)
        promoted = shown.phase is Phase.PROMOTED
        whole = served.of_release(read, row) if promoted else None
        followed = read.next_promoted(shown.target, row.id) if promoted else None
        dead = read.given_up(name, limit=parked.MOST + 1)
    state = version_of(version) if version is not None else None
    last = record[0].id if record else 0
    gone = (dead[0].id, len(dead)) if dead else (0, 0)
    seen = (row.rev, version.rev if version else 0, last, *gone, int(time.time() / AGES))
    return {
        "one": views.release(shown),
        "estimate": views.estimate(estimating.of(series, shown, target, now)),
        "version": views.version(state) if state is not None else None,
        "building": state.phase.value if state is not None and shown.phase is Phase.PENDING else "",
        "stops": journey.stops(shown),
        "cause": shown.cause,
        "served": lineage.served(
            shown, record, whole, release_of(followed) if followed is not None else None
        ),
        "guards": standing.rows(shown.evidence) if shown.evidence else (),
        "actions": actions.of_release(shown, g.visitor.caller, accounts),
        "rule": shown.environment.approvals,
        "record": [views.entry(entry) for entry in record],
        "cut": len(record) == ENTRIES,
        "parked": [parked.shown(work) for work in dead[: parked.MOST]],
        "more_parked": len(dead) > parked.MOST,
        "tag": ".".join(str(one) for one in seen),
    }
