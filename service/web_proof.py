"""What is proven of the record, over HTTP: a stretch of it, held against a checkpoint if one is sent.

A stretch takes about as long as another answer may. Only one is proven at a time: it keeps a processor busy.
"""

import threading
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort
from werkzeug.exceptions import ServiceUnavailable

from service import web_bodies
from service.bootstrap import Parts
from service.engine import checkpoints
from service.engine.checkpoints import NoCheckpoint
from service.keys import KeyProblem
from service.settings import Settings
from service.showing import proven
from service.store.chain import Head
from service.store.record_proof import Stretch
from service.store.store import Store
from service.web_answers import entry_id, listed

MOST = 20_000  # entries of a stretch
RETRY_AFTER = 2  # seconds, while another is proven


def add(api: Blueprint, parts: Parts) -> None:
    """Its addresses."""
    alone = threading.Lock()

    @api.get("/record/proof")
    def proof() -> Response:
        return _answered(_proven(parts.store, alone, ()))

    @api.post("/record/proof")
    def held() -> Response:
        return _answered(_proven(parts.store, alone, [_head(parts.settings, web_bodies.raw())]))


def _proven(store: Store, alone: threading.Lock, heads: Sequence[Head]) -> Stretch:
    after = entry_id()
    if not alone.acquire(blocking=False):
        raise ServiceUnavailable("the record is being proven for somebody else", retry_after=RETRY_AFTER)
    try:
        with store.read() as read:
            found = read.record_stretch(heads, after=after, most=MOST)
    finally:
        alone.release()
    if found is None:
        abort(404, f"there is no entry {after}")
    return found


def _head(settings: Settings, content: bytes) -> Head:
    """The head that the checkpoint is of: 422 where it is none, or none of ours."""
    try:
        known = checkpoints.known(settings)
        return checkpoints.read(content, known)
    except KeyProblem:
        abort(500, "the key of this installation cannot be used; see: segue audit verify")
    except NoCheckpoint as reason:
        if known:
            abort(422, f"{reason}; send a checkpoint-….json as it was kept")
        abort(422, f"{reason}: there is no key of this installation; make it with: segue signing-key")


def _answered(found: Stretch) -> Response:
    following = None if found.over else str(found.ends.size)
    told = {"head": _point(found.head), "begins": _point(found.begins), "ends": _point(found.ends)}
    says = proven.lines(found.proof, part=False)
    return listed("after", following, **told, proof=proven.values(found.proof), says=says)


def _point(head: Head) -> dict[str, Any]:
    return {"entry": head.size, "hash": head.hash}
