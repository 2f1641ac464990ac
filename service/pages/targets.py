"""All targets: what serves now, since when, on which evidence. One target: what served when."""

import calendar
import time
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, g, render_template, request

from policies import drifting
from policies.release import Phase, Release, Serving, Target
from service.addresses import Addresses
from service.bootstrap import Parts
from service.engine import actions, seen, served
from service.pages import paging
from service.showing import views
from service.store.reading import Reading
from service.store.states import number_of, release_of, target_of

OPEN = 200  # releases on their way that are shown with the targets of a page: few wait at one target
ASKS = 10  # releases that wait for approval which are named before all


@dataclass(frozen=True, slots=True)
class Shown:
    """A target with the release whose version serves, and what is on its way there, newest first."""

    target: Target
    serving: Release | None
    coming: tuple[Release, ...]

    @property
    def seen(self) -> str:
        return seen.of_target(self.target)

    @property
    def drift(self) -> str:
        """What somebody else changed, or names otherwise, and what becomes of it."""
        return drifting.told(self.target)


@dataclass(frozen=True, slots=True)
class Moment:
    """What had requests of a target at a time, and how many percent, the most first."""

    at: float
    shares: Sequence[tuple[served.Served, float]]


def routes(page: Blueprint, parts: Parts) -> None:
    """Overview and one target."""
    addresses = Addresses(parts)

    @page.get("/")
    def overview() -> str:
        after, among = request.args.get("after"), g.visitor.rights.targets("see")
        with parts.store.read() as read:
            found = read.target_page(among=among, after=after, limit=paging.SIZE + 1)
            shown = _joined_all(read, [target_of(row, name) for name, row in found[: paging.SIZE]])
            waits = read.releases(phase=Phase.APPROVAL.value, final=False, among=among, limit=ASKS + 1)
            known = bool(shown) or bool(read.sources()) or bool(among)
        return render_template(
            "overview.html",
            targets=shown,
            asks=[release_of(row) for row in waits[:ASKS]],
            more_asks=len(waits) > ASKS,
            connected=known,
            after=after,
            older=shown[-1].target.name if len(found) > paging.SIZE else None,
        )

    @page.get("/targets/<model>/<environment>")
    def target(model: str, environment: str) -> str:
        name, before = f"{model}/{environment}", paging.before()
        with parts.store.read() as read:
            row = read.target(name)
            if row is None:
                abort(404)
            (shown,) = _joined_all(read, [target_of(row, name)])
            rows = read.releases(target=name, model=model, before=before, limit=paging.SIZE + 1)
            moment = _asked(read, name)
        listed = [release_of(one) for one in rows]
        return render_template(
            "target.html",
            shown=shown,
            one=views.target(shown.target, addresses.of(shown.target)),
            moment=moment,
            actions=actions.of_target(shown.target, g.visitor.rights),
            mends=[one for one in actions.of_drift(shown.target) if g.visitor.rights.may(one.verb, name)],
            asked=request.args.get("at", ""),
            **paging.page(listed, before),
        )


def _joined_all(read: Reading, found: list[Target]) -> list[Shown]:
    """Two queries, however many there are."""
    names = [one.name for one in found]
    coming = [release_of(row) for row in read.releases(final=False, targets=names, limit=OPEN)]
    numbers = [number_of(one.stable.release) for one in found if one.stable is not None]
    serving = {row.name: release_of(row) for row in read.releases_of(numbers)}
    return [_joined(one, serving, coming) for one in found]


def _joined(found: Target, serving: dict[str, Release], coming: list[Release]) -> Shown:
    stable: Serving | None = found.stable
    release = serving.get(stable.release) if stable is not None else None
    return Shown(found, release, tuple(one for one in coming if one.target == found.name))


# --- what served when ------------------------------------------------------------------------


def _asked(read: Reading, target: str) -> Moment | None:
    text = request.args.get("at", "")
    if not text:
        return None
    at = _time(text)
    if at is None:
        abort(404)
    return Moment(at, served.at(read, target, at))


def _time(text: str) -> float | None:
    """A time of day in UTC, as browsers write it; None for any other text."""
    for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"):
        try:
            return float(calendar.timegm(time.strptime(text, form)))
        except ValueError:
            continue
    return None
