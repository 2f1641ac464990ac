"""Who did what, newest first; on request the hashes of the newest entries are checked."""

from flask import Blueprint, abort, render_template, request

from service.bootstrap import Parts
from service.showing import views
from service.store.reading import Reading
from service.store.record_proof import Stretch
from service.store.states import number_of

ENTRIES = 100
PROVEN = 100_000  # entries that are checked at once, which takes about a second of a processor


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
            proven = _proven(read) if "verify" in request.args else None
        return render_template(
            "record.html",
            entries=[views.entry(entry) for entry in found[:ENTRIES]],
            older=found[ENTRIES - 1].id if len(found) > ENTRIES else None,
            subject=subject,
            first=before is None,
            proven=proven,
        )


def _proven(read: Reading) -> Stretch | None:
    """What is proven of the newest entries; a longer record takes too long for a page."""
    return read.record_stretch((), after=max(0, read.record_head().size - PROVEN), most=PROVEN)
