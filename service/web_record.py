"""The record over HTTP as a file: whole or a part, streamed, as it was when it was asked for."""

from collections.abc import Iterator

from flask import Blueprint, Response, abort, request

from service.showing import exported
from service.showing.exported import KINDS, Form
from service.store.record_parts import Part
from service.store.store import Store
from service.web_answers import RELEASE, SECONDS

_TOGETHER = 200  # lines that go out at once


def add(api: Blueprint, store: Store) -> None:
    """Its address."""

    @api.get("/record/export")
    def export() -> Response:
        form, part = _form(), _part()
        with store.read() as read:
            if not read.knows(part):
                abort(404, "there is no such release, or no such model")
        answer = Response(
            _together(exported.written(store.record_part(part), form)), content_type=KINDS[form]
        )
        answer.headers["Content-Disposition"] = f'attachment; filename="record.{form}"'
        return answer


def _form() -> Form:
    said = request.args.get("form", Form.JSONL.value)
    if said not in set(Form):
        abort(400, f"`form` is {said[:40]!r}, and must be one of {', '.join(Form)}")
    return Form(said)


def _part() -> Part:
    release = request.args.get("release")
    if release is not None and not RELEASE.fullmatch(release):
        abort(400, "`release` must be a release's name, such as rel-42")
    return Part(_seconds("since"), _seconds("until"), request.args.get("model"), release)


def _seconds(name: str) -> float | None:
    said = request.args.get(name)
    if said is None:
        return None
    if not SECONDS.fullmatch(said):
        abort(400, f"`{name}` is {said[:40]!r}, and must be a time in Unix seconds, such as 1767225600")
    return float(said)


def _together(lines: Iterator[str]) -> Iterator[bytes]:
    """Some lines at a time: each piece that goes out costs a call."""
    kept: list[str] = []
    for line in lines:
        kept.append(line)
        if len(kept) == _TOGETHER:
            yield "".join(kept).encode()
            kept.clear()
    yield "".join(kept).encode()
