"""What is asked of who tries a policy, and what somebody answered: numbers in bounds, weights up to 100 %."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from policies.spec.declaration import Environment, StepSpec, Strategy
from service.rehearsing.trials import Trial

MOST_WEIGHTS = 20
LONGEST = 200  # characters of an answer


@dataclass(frozen=True, slots=True)
class Question:
    """A number that is asked for. `slides`: it has a slider, whose scale is logarithmic."""

    name: str
    words: str
    unit: str
    low: float
    high: float
    slides: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """A question with the answer as it was written, and what is wrong with it."""

    question: Question
    text: str
    wrong: str = ""


TRAFFIC = (
    Question("rate", "Requests, all together", "a second", 0.01, 10_000),
    Question("errors", "Of stable's requests fail", "%", 0.001, 50),
    Question("worse", "A worse version fails", "times as often", 1.1, 100),
)
POLICY = (
    Question("false", "A good version may be rolled back by mistake", "%", 0.1, 20),
    Question("dwell", "At least so long at each weight", "s", 0, 86_400, slides=False),
)
WEIGHTS = Question("weights", "Weights of the new version", "%", 0, 100, slides=False)
GUESSED = {"rate": "20", "errors": "0.1", "worse": "10"}


@dataclass(frozen=True, slots=True)
class Form:
    """All that is asked about a policy, with the answers; `trial` is there where nothing is wrong."""

    traffic: tuple[Answered, ...]
    policy: tuple[Answered, ...]
    trial: Trial | None

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is wrong, a sentence each."""
        return tuple(one.wrong for one in (*self.traffic, *self.policy) if one.wrong)


def filled(policy: Environment, given: Mapping[str, str]) -> Form:
    """The form for a policy; what nobody answered is as the policy says, or a guess."""
    own = _own(policy)
    asked = (*POLICY, WEIGHTS) if policy.strategy is Strategy.CANARY else POLICY[:1]
    traffic = tuple(_answered(one, given.get(one.name, GUESSED[one.name])) for one in TRAFFIC)
    rules = tuple(_answered(one, given.get(one.name, own[one.name])) for one in asked)
    form = Form(traffic, rules, None)
    return form if form.wrong else replace(form, trial=_trial(policy, own, form))


def written(before: Environment, after: Environment) -> str:
    """What of a tried policy is not as it was, as it is written in `segue.yaml`."""
    lines = []
    if after.false_rollbacks != before.false_rollbacks:
        lines.append(f"false_rollbacks: {100 * after.false_rollbacks:g}%")
    if after.steps != before.steps:
        steps = ", ".join(f"{{weight: {one.weight:g}%, hold: {one.hold:g}s}}" for one in after.steps)
        lines.append(f"steps: [{steps}]")
    if after.ladder != before.ladder:
        lines.append(f"ladder: [{', '.join(f'{weight:g}%' for weight in after.ladder)}]")
    if after.dwell != before.dwell:
        lines.append(f"dwell: {after.dwell:g}s")
    return "\n".join(lines)


def _own(policy: Environment) -> dict[str, str]:
    """A policy's own answers."""
    weights = [step.weight for step in policy.steps] or policy.ladder
    held = [step.hold or 0.0 for step in policy.steps]
    return {
        "false": f"{100 * policy.false_rollbacks:g}",
        "dwell": f"{max(held, default=policy.dwell):g}",
        "weights": ", ".join(f"{weight:g}" for weight in weights),
    }


def _answered(question: Question, text: str) -> Answered:
    text = text.strip()
    if question is WEIGHTS:
        return Answered(question, text, _wrong_weights(text))
    number = _number(text)
    if number is None or not question.low <= number <= question.high:
        bounds = f"from {question.low:g} to {question.high:g}"
        wrong = f"{question.words}: {text[:LONGEST]!r} is no number {bounds}; write one, such as 10."
        return Answered(question, text[:LONGEST], wrong)
    return Answered(question, text)


def _wrong_weights(text: str) -> str:
    found = _weights(text)
    rising = all(one < other for one, other in pairwise(found))
    if found and rising and found[0] > 0 and found[-1] == 100 and len(found) <= MOST_WEIGHTS:
        return ""
    what = f"{WEIGHTS.words}: {text[:LONGEST]!r} are no weights that rise to 100"
    return f"{what}; write up to {MOST_WEIGHTS} numbers, such as 5, 25, 100."


def _weights(text: str) -> tuple[float, ...]:
    """The weights, or none where one of them is no number."""
    found = [_number(part.strip().removesuffix("%")) for part in text[:LONGEST].split(",")]
    return tuple(one for one in found if one is not None) if None not in found else ()


def _number(text: str) -> float | None:
    if len(text) > 20 or not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _trial(policy: Environment, own: Mapping[str, str], form: Form) -> Trial:
    said = {one.question.name: one.text for one in (*form.traffic, *form.policy)}
    policy = replace(policy, false_rollbacks=float(said["false"]) / 100)
    changed = {name for name in ("weights", "dwell") if said.get(name, own[name]) != own[name]}
    if changed:
        policy = _shifted(policy, _weights(said["weights"]), float(said["dwell"]))
    return Trial(policy, float(said["rate"]), float(said["errors"]) / 100, float(said["worse"]))


def _shifted(policy: Environment, weights: tuple[float, ...], dwell: float) -> Environment:
    """The policy with these weights, by steps or by its ladder, as it had them."""
    if policy.steps:
        return replace(policy, steps=tuple(StepSpec(weight, dwell) for weight in weights))
    return replace(policy, ladder=weights, dwell=dwell)
