"""Evaluations: one job for each attempt of a version."""

from policies.effects import RunEvaluation
from policies.events import EffectFailed, EvaluationFinished
from policies.spec.declaration import Evaluate
from policies.version import Version
from service import places
from service.bootstrap import Parts
from service.performing.images import image_of, job_name
from service.performing.outcomes import Again, Done, known_version, pause, with_tail
from service.performing.printing import Run, keep_printed
from service.performing.weights import told, weights_of
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Gone, Refused, Working


def evaluate(parts: Parts, effect: RunEvaluation, now: float) -> Done | Again:
    """Have the evaluation's numbers, from one job for each attempt."""
    version = known_version(parts, effect.version)
    evaluate = version.model.evaluate
    if evaluate is None or version.image is None:
        raise Refused("there is nothing to evaluate")
    home = places.home(parts.store.clusters(), version.model)
    name, jobs = job_name(version), parts.at(home).jobs
    state = jobs.state(name)
    if not isinstance(state, Gone):
        keep_printed(parts, Run("evaluation", name), jobs, ended=not isinstance(state, Working))
    match state:
        case Result(metrics=metrics):
            found = metrics if evaluate.results is None else _logged(parts, evaluate.results, name)
            return Done(EvaluationFinished(effect.step, found, now))
        case Working(progress=progress):
            return Again(pause(home), f"the evaluation: {progress}")
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, with_tail(f"evaluation: {reason}", log), now))
        case Gone():
            image = evaluate.image or image_of(parts, version, home.cluster)
            jobs.start(_job(parts, version, evaluate, name, image))
            return Again(pause(home))


def _job(parts: Parts, version: Version, evaluate: Evaluate, name: str, image: str) -> Job:
    wanted, weights = evaluate.resources, weights_of(parts, version)
    env = told(weights)
    if evaluate.results is not None:
        source, _, experiment = evaluate.results.partition(".")
        env += parts.run_metrics(source).environment(experiment, name)
    return Job(
        name,
        image,
        evaluate.run,
        Limits(wanted.cpu, wanted.memory, wanted.seconds),
        env,
        evaluate.pod,
        weights,
        writes=evaluate.results is None,
    )


def _logged(parts: Parts, results: str, job: str) -> tuple[tuple[str, float], ...]:
    source, _, experiment = results.partition(".")
    return parts.run_metrics(source).metrics(experiment, job)
