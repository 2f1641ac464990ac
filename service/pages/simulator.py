"""A policy on simulated traffic, with sliders: how long, how sure, at which cost. It changes nothing."""

from dataclasses import replace

from flask import Blueprint, Response, abort, g, make_response, render_template, request

from policies.spec.declaration import Environment
from service import segue_yaml
from service.bootstrap import Parts
from service.pages import chart, choices, trial_form
from service.rehearsing.simulating import SHIFTING
from service.rehearsing.trials import CPU_SECONDS, RUNS, Trials
from service.store.states import model_of

# The policy of a file that says nothing about it.
SHORTEST = b"name: model\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py, port: 8080}\n"
DEFAULTS = "Segue's defaults"


def routes(page: Blueprint, parts: Parts) -> None:
    """The form, and what came of the trial that the address asks for."""
    trials = Trials()

    @page.get("/simulator")
    def simulator() -> Response:
        chosen = request.args.get("policy") or DEFAULTS
        known, more = _policies(parts, chosen)
        if chosen not in known:
            abort(404)
        offered = choices.of(list(known))
        form = trial_form.filled(known[chosen], request.args)
        asked = form.trial if "rate" in request.args and "try" in request.args else None
        tried = trials.of(asked) if asked is not None else None
        shown = render_template(
            "simulator.html",
            policies=replace(offered, more=offered.more or more),
            chosen=chosen,
            form=form,
            asked=asked,
            tried=tried,
            charts=[chart.of(panel) for panel in tried.panels] if tried else [],
            written=trial_form.written(known[chosen], asked.environment) if asked else "",
            runs=RUNS,
            seconds=CPU_SECONDS,
        )
        return make_response(shown, 400 if form.wrong else 200)


def _policies(parts: Parts, chosen: str) -> tuple[dict[str, Environment], bool]:
    """Segue's own and those of models that the visitor may see, by target: of the first models by name, and
    of the chosen one; whether there are more."""
    (shortest,) = segue_yaml.load(SHORTEST, "model")
    found = {DEFAULTS: shortest.environments[0]}
    with parts.store.read() as read:
        names = [name for name in read.model_names() if g.visitor.rights.may_of_model("see", name)]
        wanted = {*names[: choices.MOST], *({chosen.partition("/")[0]} & set(names))}
        rows = read.models_of(sorted(wanted))
    for row in rows:
        model = model_of(row)
        for one in model.environments:
            target = f"{model.name}/{one.name}"
            if one.strategy in SHIFTING and g.visitor.rights.may("see", target):
                found[target] = one
    return found, len(names) > choices.MOST
