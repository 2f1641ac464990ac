"""How long a rollout takes at a rate of requests, planned by samples: "needs about 9 h at this rate".

The ramp of a candidate that is as good as stable, played forward with the counts to be expected: each weight
lasts as long as its evidence takes, or its least time. Failures alone are counted; a guard on anything else
(latency, late labels) may need longer, and luck makes it shorter or longer. Pure.
"""

from dataclasses import dataclass, replace

from policies import ramp, strategy
from policies.release import Phase, Release
from policies.spec.declaration import Environment, Strategy
from policies.strategy import Shadow, Shift, Step, Watch

LONGEST = 10 * 365 * 86_400.0  # seconds; what takes longer is never
USUAL_ERRORS = 0.001  # stable's failed share where nobody knows it


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests a second, in all, and the share of stable's that fails."""

    rate: float
    errors: float = USUAL_ERRORS


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds until it is promoted: None where a person has to go on, or it takes for ever; `people` says
    which. `longest` is the longest time at one weight, `weight` that one, `requests` all that it takes."""

    seconds: float | None
    requests: float
    longest: float = 0.0
    weight: float = 0.0
    people: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    bad: float
    requests: float


def of_policy(environment: Environment, traffic: Traffic) -> Forecast | None:
    """Before its start; None where no evidence decides (a switch, a batch model)."""
    if environment.strategy not in {Strategy.CANARY, Strategy.SHADOW} or traffic.rate <= 0:
        return None
    steps = strategy.plan(environment, first=False)
    return _Ramp(environment, traffic, _Seen(0.0, 0.0)).play(steps, 0.0)


def of_release(release: Release, traffic: Traffic) -> Forecast | None:
    """The rest of one that is on its way, or all of one that still waits."""
    if release.final or release.only_watched or traffic.rate <= 0 or release.phase is Phase.RESTORING:
        return None
    if release.steps and not any(isinstance(step, Shift) and step.guarded for step in release.steps):
        return None
    if release.phase not in {Phase.SHIFTING, Phase.WATCHING}:
        return of_policy(release.environment, traffic)
    warm = max(0.0, release.evidence_at - release.since)  # at least
    ramp_of = _Ramp(release.environment, traffic, _counted(release), warm)
    return ramp_of.play(release.steps[release.position :], release.observed)


def _counted(release: Release) -> _Seen:
    """What its evidence counted so far."""
    found = release.evidence.findings if release.evidence is not None else ()
    numbers = next((dict(one.numbers) for one in found if one.guard == "risk"), {})
    return _Seen(numbers.get("failed", 0.0), numbers.get("requests", 0.0))


@dataclass(slots=True)
class _Ramp:
    """One rollout, played forward; `seen` grows."""

    environment: Environment
    traffic: Traffic
    seen: _Seen
    warm: float = 0.0  # seconds since the candidate's first request: the last weight waits until it is warm

    def play(self, steps: tuple[Step, ...], weight: float) -> Forecast:
        """All steps in their order."""
        total = Forecast(0.0, 0.0)
        for number, step in enumerate(steps):
            if isinstance(step, Watch | Shadow):
                total = self._waited(total, step.seconds, 100.0)
                continue
            following = steps[number + 1] if number + 1 < len(steps) else None
            beyond = following.weights[:1] if isinstance(following, Shift) else ()
            weight = max(weight, step.weights[0])
            while ahead := [w for w in (*step.weights, *beyond) if w > weight]:
                if step.dwell is None:
                    return replace(total, seconds=None, people=True)
                lasts = self._lasts(weight, ahead[0], max(step.dwell, self._cold(ahead[0])))
                if lasts is None:
                    return replace(total, seconds=None, longest=LONGEST, weight=weight)
                total, self.seen = self._waited(total, lasts, weight), self._after(weight, lasts)
                self.warm += lasts
                reached = [w for w in ahead if w <= self._allowed(self.seen) and not self._cold(w)]
                weight = max(reached, default=ahead[0])
                if weight in beyond:
                    break
            if weight == step.weights[-1] == 100:
                total = self._waited(total, step.dwell or 0.0, weight)
        return total

    def _cold(self, weight: float) -> float:
        """For how long this weight, if it is the last, has to wait until the candidate is warm."""
        top = 100.0 * (1.0 - self.environment.held_back)
        return max(0.0, self.environment.warm_up - self.warm) if weight >= top else 0.0

    def _waited(self, total: Forecast, seconds: float, weight: float) -> Forecast:
        worse = seconds > total.longest and weight < 100
        return Forecast(
            (total.seconds or 0.0) + seconds,
            total.requests + self.traffic.rate * seconds,
            seconds if worse else total.longest,
            weight if worse else total.weight,
        )

    def _lasts(self, weight: float, wanted: float, least: float) -> float | None:
        """The shortest time at this weight, not below the least, that allows the next; None for none."""
        if self._allowed(self._after(weight, least)) >= wanted:
            return least
        low, high = least, max(1.0, 2 * least)
        while self._allowed(self._after(weight, high)) < wanted:
            low, high = high, 2 * high
            if high > LONGEST:
                return None
        while high - low > max(1.0, high / 1000):
            middle = (low + high) / 2
            enough = self._allowed(self._after(weight, middle)) >= wanted
            low, high = (low, middle) if enough else (middle, high)
        return high

    def _after(self, weight: float, seconds: float) -> _Seen:
        more = self.traffic.rate * weight / 100 * seconds
        return _Seen(self.seen.bad + self.traffic.errors * more, self.seen.requests + more)

    def _allowed(self, seen: _Seen) -> float:
        """The largest weight that these counts allow; fixed steps may lie between those of a ladder."""
        errors = self.traffic.errors
        excess = ramp.excess(seen.bad, seen.requests, errors)
        risk = ramp.risk_of(errors, self.environment.risk)
        return min(100.0, 100 * risk / excess) if excess > 0 else 100.0


# --- in words --------------------------------------------------------------------------------


def words(forecast: Forecast, traffic: Traffic, environment: Environment) -> str:
    """As people read it."""
    rate = _rate(traffic.rate)
    if forecast.people:
        return f"a step waits for `promote`; until then about {_lasting(forecast.longest)} at {rate}"
    if forecast.seconds is None:
        return f"never gets beyond {forecast.weight:g} % at {rate}"
    said = f"needs about {_lasting(forecast.seconds)} at {rate}, some {_many(forecast.requests)} requests"
    if forecast.longest <= environment.patience + environment.dwell:
        return said
    patience, then = _lasting(environment.patience), environment.when_undecided.value
    return (
        f"{said}; {forecast.weight:g} % alone takes about {_lasting(forecast.longest)}, longer than"
        f" `patience` ({patience}), after which `when_undecided: {then}` counts"
    )


def _rate(rate: float) -> str:
    for unit, seconds in (("second", 1.0), ("minute", 60.0), ("hour", 3600.0)):
        if rate * seconds >= 1:
            return f"{float(f'{rate * seconds:.3g}'):g} requests a {unit}"
    return f"{rate * 86_400:.2g} requests a day"


def _lasting(seconds: float) -> str:
    for unit, length in (("days", 2 * 86_400.0), ("h", 7200.0), ("min", 90.0)):
        if seconds >= length:
            return f"{seconds / {'days': 86_400.0, 'h': 3600.0, 'min': 60.0}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"


def _many(count: float) -> str:
    rounded = float(f"{count:.2g}")
    return f"{rounded:,.0f}"
