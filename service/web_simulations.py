"""Policies tried on simulated traffic over HTTP, as the page's simulator does: nothing is changed."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, g, jsonify
from werkzeug.exceptions import ServiceUnavailable

from policies.spec.declaration import Environment
from service import mistakes_shown, segue_yaml, web_bodies
from service.bootstrap import Parts
from service.rehearsing import offered, trial_form, trials
from service.rehearsing.offered import NoPolicy
from service.rehearsing.trials import Trials
from service.settings import Settings

AGAIN = 2  # seconds until somebody asks again for what is played
WHOSE = ("target", "segue_yaml", "model", "environment")
# What is asked by other words than those of the form.
NUMBERS = {"rate": "rate", "errors": "errors", "worse": "worse", "dwell": "dwell", "false_rollbacks": "false"}


def add(api: Blueprint, parts: Parts, played: Trials) -> None:
    """Its address."""

    @api.post("/simulations")
    def simulation() -> Response:
        told = web_bodies.body(("rate",), (*WHOSE, *NUMBERS, "weights"), segue_yaml.LARGEST)
        name, policy = _policy(parts, {key: web_bodies.word(told, key) for key in WHOSE})
        form = trial_form.filled(policy, _given(told))
        unasked = {"dwell", "weights"} & told.keys() - {one.question.name for one in form.policy}
        if unasked:
            abort(422, f"this policy switches at once; leave out {' and '.join(sorted(unasked))}")
        if form.trial is None:
            abort(422, " ".join(form.wrong))
        tried = played.of(form.trial)
        if tried is None:
            return _later()
        if tried.failed:
            raise ServiceUnavailable(tried.why_not, retry_after=AGAIN)
        if tried.why_not:
            abort(422, f"{tried.why_not} Try it on your own machine: segue simulate")
        return jsonify(trials.as_json(name, form.trial, tried))


def _later() -> Response:
    later = jsonify(again=AGAIN)
    later.status_code = 202
    later.headers["Retry-After"] = str(AGAIN)
    return later


def _policy(parts: Parts, said: Mapping[str, str | None]) -> tuple[str, Environment]:
    """The policy of a file that is sent, of a target that the caller may see, or Segue's own."""
    if said["segue_yaml"] is not None:
        if said["target"] is not None:
            abort(422, "write either `target` or `segue_yaml`")
        return _sent(parts.settings, said["segue_yaml"], said["model"], said["environment"])
    if said["model"] is not None or said["environment"] is not None:
        abort(422, "`model` and `environment` are for `segue_yaml`; write `target`")
    target = said["target"] or offered.DEFAULTS
    known, _ = offered.known(parts.store, g.caller.rights, target)
    if target not in known:
        abort(404, f"there is no target {target} with a policy that shifts traffic by evidence")
    return target.partition("/")[0], known[target]


def _sent(settings: Settings, text: str, model: str | None, place: str | None) -> tuple[str, Environment]:
    data = text.encode()
    checked = segue_yaml.check(data, "model", segue_yaml.capabilities(settings))
    if checked.mistakes:
        abort(422, mistakes_shown.as_text(checked.mistakes, data, segue_yaml.NAME))
    try:
        return offered.of(checked.models, model, place)
    except NoPolicy as reason:
        abort(422, str(reason))


def _given(told: Mapping[str, Any]) -> dict[str, str]:
    """What the form asks, as somebody would write it there: 400 for what is no number."""
    given = {NUMBERS[key]: _written(told[key], key) for key in NUMBERS if key in told}
    if "weights" not in told:
        return given
    weights = told["weights"]
    if not isinstance(weights, list):
        abort(400, "`weights` must be a list of numbers, such as [5, 25, 100]")
    return given | {"weights": ", ".join(_written(one, "weights") for one in weights)}


def _written(value: Any, key: str) -> str:
    return f"{web_bodies.number(value, key):.12g}"
