"""The page as a part of the web process: all its addresses, its headers, and what every template knows."""

import gzip
import hashlib
import time
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, g, make_response, render_template, request, url_for

from service.bootstrap import Parts
from service.pages import (
    commands,
    door,
    events,
    installation,
    provider_login,
    record,
    releases,
    simulator,
    targets,
    tokens,
)
from service.pages.words import FILTERS
from service.rehearsing.trials import Trials
from service.showing.streams import Streams
from service.store.series import Series

FOLDER = Path(__file__).parent
# Everything from here, nothing inline, no frame around it, no form elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add(app: Flask, parts: Parts, series: Series, streams: Streams, trials: Trials) -> None:
    """Serve the page below `/-/`."""
    page = Blueprint(
        "page", __name__, url_prefix=door.ROOT.rstrip("/"), template_folder=str(FOLDER / "templates")
    )
    door.guard(page, parts.store, parts.settings)
    leaving = provider_login.routes(page, parts.store, parts.settings)
    door.routes(page, parts.store, parts.settings, leaving)
    targets.routes(page, parts)
    releases.routes(page, parts, series, streams)
    events.routes(page, parts)
    record.routes(page, parts)
    simulator.routes(page, parts, trials)
    tokens.routes(page, parts)
    installation.routes(page, parts)
    commands.routes(page, parts)
    _files(page)
    provider = urlsplit(parts.settings.oidc_issuer or "").hostname
    page.app_context_processor(lambda: _known() | {"provider": provider})
    page.register_error_handler(404, lambda _error: wrong(404, "there is nothing here"))
    for name, used in FILTERS.items():
        app.add_template_filter(used, name)
    app.register_blueprint(page)
    app.after_request(_safe)  # the API's answers, too: a browser must take none of them for a page
    if (parts.settings.web_url or "").startswith("https://"):
        app.after_request(_by_https_alone)

    @app.get("/")
    def first() -> Response:
        response = make_response("", 303)
        response.headers["Location"] = url_for("page.overview")
        return response


def holds(path: str) -> bool:
    """Whether an address is the page's."""
    return path.startswith(door.ROOT)


def wrong(status: int, detail: str) -> Response:
    """An error as a page."""
    title = f"{detail[:1].upper()}{detail[1:]}"
    return make_response(render_template("wrong.html", title=title, why=""), status)


def _known() -> dict[str, object]:
    """What templates may use besides what they are given."""
    return {"visitor": g.get("visitor"), "now": time.time(), "file": _address_of}


def _by_https_alone(response: Response) -> Response:
    """Whoever was here once by HTTPS never comes without, whatever link they follow."""
    response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def _safe(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


# --- style, script, picture ------------------------------------------------------------------


def _files(page: Blueprint) -> None:
    @page.get("/static/<name>", endpoint="static")
    def static(name: str) -> Response:
        if name not in _names():
            abort(404)
        body, packed = _content(name)
        small = "gzip" in request.headers.get("Accept-Encoding", "")
        response = Response(
            packed if small else body, content_type=f"{TYPES[Path(name).suffix]}; charset=utf-8"
        )
        if small:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable"  # its address has its digest
        )
        return response


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in (FOLDER / "static").iterdir() if path.suffix in TYPES)


@cache
def _content(name: str) -> tuple[bytes, bytes]:
    """A file, and the same packed. Pages are not packed: they hold secrets beside what others wrote."""
    body = (FOLDER / "static" / name).read_bytes()
    return body, gzip.compress(body, mtime=0)


def _address_of(name: str) -> str:
    return url_for("page.static", name=name, v=hashlib.sha256(_content(name)[0]).hexdigest()[:12])
