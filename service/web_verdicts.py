"""Verdicts over HTTP, for tools that shift traffic themselves: one address to read, one for Flagger's gates.

Any token may ask about what it may see, also one made for nothing else (`segue token NAME --role
verdicts`). What cannot be answered is never a yes: `wait`, or a status that is no success.
"""

import math
from typing import Any

from flask import Blueprint, Response, jsonify, request

from policies.asking import Gate
from service.bootstrap import Parts
from service.identity import tokens
from service.identity.api_door import guard
from service.observing import verdicts
from service.problems import problem
from service.showing import views

HELD = 409  # not yet, or no: whoever asks again may be told otherwise


def blueprint(parts: Parts) -> Blueprint:
    """The routes below `/api/v1`."""
    asking = Blueprint("asking", __name__, url_prefix="/api/v1")
    guard(asking, parts.store, tokens.asker)

    @asking.get("/verdicts/<model>/<environment>")
    def verdict(model: str, environment: str) -> Response:
        target = f"{model}/{environment}"
        if not verdicts.known(parts, target):
            return problem(404, f"there is no target {target}")
        try:
            weight = _percent("weight")
        except ValueError as wrong:
            return problem(400, str(wrong))
        image = request.args.get("image") or None
        return jsonify(views.verdict(verdicts.ask(parts, target, weight=weight, image=image)))

    @asking.post("/gates/<gate>/<model>/<environment>")
    def flagger(gate: str, model: str, environment: str) -> Response:
        target = f"{model}/{environment}"
        if gate not in {one.value for one in Gate}:
            return problem(404, f"there is no gate {gate}; known: {', '.join(Gate)}")
        if not verdicts.known(parts, target):
            return problem(404, f"there is no target {target}")
        try:
            step = _percent("step")
        except ValueError as wrong:
            return problem(400, str(wrong))
        is_open, asked = verdicts.gate(parts, Gate(gate), target, step)
        return _answered(views.verdict(asked), 200 if is_open else HELD)

    return asking


def _percent(name: str) -> float | None:
    """A number of the query. Raises `ValueError` for one that is no percentage."""
    given = request.args.get(name)
    if given is None:
        return None
    try:
        number = float(given.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise ValueError(f"`{name}` is {given!r}, and must be a percentage such as 50")
    return number


def _answered(body: dict[str, Any], status: int) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response
