"""What came in and what became of it; what was given up."""

from flask import Blueprint, abort, g, render_template, request

from service.bootstrap import Parts
from service.engine import actions, happened
from service.showing import views


def routes(page: Blueprint, parts: Parts) -> None:
    """Events, newest first, and each by itself."""

    @page.get("/events")
    def events() -> str:
        failed, source = "failed" in request.args, request.args.get("source") or None
        try:
            found = happened.page(
                parts.store, parts.inbox, source=source, failed=failed, before=request.args.get("before")
            )
        except ValueError:
            abort(404)
        shown = [views.event(one) for one in found.events]
        return render_template(
            "events.html",
            events=shown,
            next=found.next,
            failed=failed,
            source=source,
            first="before" not in request.args,
            connected=bool(shown) or bool(parts.store.sources()),
        )

    @page.get("/events/<name>")
    def event(name: str) -> str:
        found = happened.one(parts.store, parts.inbox, name)
        if found is None:
            abort(404)
        message = None
        if found.delivery is not None:
            hidden = happened.hidden(parts.settings, found.source)
            message = happened.message(parts.inbox, found.delivery, hidden, body=True)
        return render_template(
            "event.html",
            one=views.event(found),
            message=views.message(message) if message else None,
            actions=actions.of_event(found, g.visitor.rights),
        )
