"""Evaluations: one job for each attempt of a version."""

from policies.effects import RunEvaluation
from policies.events import EffectFailed, EvaluationFinished
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
            return Done(EvaluationFinished(effect.step, metrics, now))
        case Working(progress=progress):
            return Again(pause(home), f"the evaluation: {progress}")
        case Failed(reason=reason, log=log):
            return Done(EffectFailed(effect.step, with_tail(f"evaluation: {reason}", log), now))
        case Gone():
            wanted = evaluate.resources
            limits = Limits(wanted.cpu, wanted.memory, wanted.seconds)
            image = evaluate.image or image_of(parts, version, home.cluster)
            weights = weights_of(parts, version)
            jobs.start(Job(name, image, evaluate.run, limits, told(weights), evaluate.pod, weights))
            return Again(pause(home))
