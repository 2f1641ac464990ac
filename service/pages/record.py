"""Who did what, newest first; on request every entry's hash is checked."""

from flask import Blueprint, abort, render_template, request

from service.bootstrap import Parts
from service.showing import views
from service.store.states import number_of

ENTRIES = 100


def routes(page: Blueprint, parts: Parts) -> None:
    """The record."""

    @page.get("/record")
    def record() -> str:
        text = request.args.get("before")
        before = None if text is None else number_of(text)
        if before == 0:
            abort(404)
        subject = request.args.get("subject") or None
        with parts.store.read() as read:
            found = read.newest_of_record(subject, before=before, limit=ENTRIES + 1)
        wrong = parts.store.verify() if "verify" in request.args else None
        return render_template(
            "record.html",
            entries=[views.entry(entry) for entry in found[:ENTRIES]],
            older=found[ENTRIES - 1].id if len(found) > ENTRIES else None,
            subject=subject,
            first=before is None,
            verified="verify" in request.args,
            wrong=wrong,
        )
