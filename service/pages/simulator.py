"""A policy on simulated traffic, with sliders: how long, how sure, at which cost. It changes nothing."""

from dataclasses import replace

from flask import Blueprint, Response, abort, g, make_response, render_template, request

from service.bootstrap import Parts
from service.pages import chart, choices
from service.rehearsing import offered, trial_form
from service.rehearsing.trials import CPU_SECONDS, RUNS, Trials


def routes(page: Blueprint, parts: Parts, trials: Trials) -> None:
    """The form, and what came of the trial that the address asks for."""

    @page.get("/simulator")
    def simulator() -> Response:
        chosen = request.args.get("policy") or offered.DEFAULTS
        known, more = offered.known(parts.store, g.visitor.rights, chosen, choices.MOST)
        if chosen not in known:
            abort(404)
        listed = choices.of(list(known))
        form = trial_form.filled(known[chosen], request.args)
        asked = form.trial if "rate" in request.args and "try" in request.args else None
        tried = trials.of(asked) if asked is not None else None
        shown = render_template(
            "simulator.html",
            policies=replace(listed, more=listed.more or more),
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
