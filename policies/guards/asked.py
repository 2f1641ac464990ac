"""Guards that are fed by counters of a metric source, and guards that judge each segment by itself.

One guard is a handful of tests: one of all together, and one in each segment that has a place. Their
current evidence is averaged with weights that are fixed before anything is seen, so all of them together
spend no more of the budget of false rollbacks than one would: half of the guard's stake is the whole's, the
rest is dealt evenly over the places. A place that nobody took keeps its stake at the evidence 1.

Which values of a label get a place depends on how many requests they have, never on how many are bad: one
with at least `least` of all requests, the largest first, while there are places. The others are judged
together, in a place of their own. A value that comes later gets a free place from then on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from policies.guards import counted, histogram, quality, rate, slo
from policies.guards.budget import Stake
from policies.guards.counted import Counted, Row, others
from policies.guards.histogram import HistogramState
from policies.guards.increment import Arm
from policies.guards.labelled import Cohort
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.quality import QualityState
from policies.guards.rate import RateState
from policies.guards.slo import SloState
from policies.spec.declaration import EACH, Split

SEEN = 20.0  # requests of both versions before a value may have a place: a name that comes once has none
MOST_WAITING = 200
STABLE = "(stable)"  # the part that holds a limit against stable, too

PartState = RateState | QualityState | HistogramState | SloState


class How(StrEnum):
    """What is asked of the counters."""

    RATE = "rate"  # is the candidate's share of bad things larger than stable's?
    LOSS = "loss"  # larger by more than `drop` of all things?
    LIMIT = "limit"  # above an absolute limit?
    DURATIONS = "durations"  # are its durations longer, anywhere in the distribution?


@dataclass(frozen=True, slots=True)
class Asked:
    """A guard's plan. `whole`: also all together; else another guard does that. `late`: fed by true labels of
    the time when both versions answered, whenever they come."""

    name: str
    how: How
    worse_by: float = 0.0
    drop: float = 0.0
    limit: float | None = None
    labels: tuple[str, ...] = ()
    split: Split = EACH
    whole: bool = True
    noise: Noise = PROVISIONAL
    stake: float = 1.0
    what: str = "failed requests"
    late: bool = False

    @property
    def place(self) -> float:
        """The stake of one place."""
        half = self.stake / 2 if self.whole else self.stake
        return half / (len(self.labels) * (self.split.most + 1)) if self.labels else 0.0

    @property
    def together(self) -> float:
        """The stake of all together."""
        return 0.0 if not self.whole else self.stake / 2 if self.labels else self.stake


@dataclass(frozen=True, slots=True)
class Part:
    """One test: of all together (""), of a segment, or of the others of a label."""

    name: str
    state: PartState


@dataclass(frozen=True, slots=True)
class AskedState:
    """The tests so far. `seen`: requests of both versions by segment, of values with and without a place;
    `gap`: why the last look told nothing, None if it did; `at`: when something was told, 0 if never."""

    parts: tuple[Part, ...] = ()
    seen: tuple[tuple[str, float], ...] = ()
    at: float = 0.0
    gap: str | None = None

    def part(self, name: str) -> PartState | None:
        return next((part.state for part in self.parts if part.name == name), None)

    def share(self, segment: str) -> float:
        """The share of its label's requests that a segment has; of the others: all without a place."""
        label = segment.partition("=")[0]
        of_label = {name: n for name, n in self.seen if name.partition("=")[0] == label}
        total = sum(of_label.values())
        if total <= 0:
            return 0.0
        if segment != others(segment):
            return of_label.get(segment, 0.0) / total
        placed = {part.name for part in self.parts}
        return sum(n for name, n in of_label.items() if name not in placed or name == segment) / total


def update(guard: Asked, state: AskedState, what: Counted, *, together: bool, at: float) -> AskedState:
    """After one look. Compared only where both versions had traffic, limited always."""
    wrong = counted.wrong_with_it(what)
    if wrong is not None:
        return replace(state, gap=wrong)
    rows = {row.segment: row for row in what.rows}
    if guard.labels:
        state = _placed(guard, state, rows.values(), at)
    if guard.how is How.LIMIT:
        parts = _limited(guard, state, rows[""], what) if "" in rows else state.parts
    elif together or guard.late:
        parts = _compared(guard, state, rows, what, at)
    else:
        parts = state.parts
    return replace(state, parts=parts, at=what.at, gap=None)


def _limited(guard: Asked, state: AskedState, row: Row, what: Counted) -> tuple[Part, ...]:
    found = []
    for name, arm in (("", row.candidate), (STABLE, row.stable)):
        one = state.part(name)
        before = one if isinstance(one, SloState) else slo.start()
        after = slo.update(
            before,
            bad=arm.errors,
            requests=arm.requests,
            limit=guard.limit or 0.0,
            at=what.at,
            seconds=what.seconds,
            noise=guard.noise,
        )
        found.append(Part(name, after))
    return tuple(found)


def _compared(
    guard: Asked, state: AskedState, rows: Mapping[str, Row], what: Counted, at: float
) -> tuple[Part, ...]:
    placed = {part.name for part in state.parts}
    food: dict[str, Row] = {}
    for name, row in rows.items():
        wanted = name.partition("=")[0] in guard.labels if name else guard.whole
        if not wanted:
            continue
        own = name if name == "" or name in placed else others(name)
        food[own] = _sum(own, [food[own], row]) if own in food else row
    parts = []
    for name in dict.fromkeys([*(part.name for part in state.parts), *food]):
        before = state.part(name) or _fresh(guard, at)
        parts.append(Part(name, _fed(guard, before, food[name], what) if name in food else before))
    return tuple(parts)


def _fresh(guard: Asked, at: float) -> PartState:
    match guard.how:
        case How.RATE:
            return rate.start()
        case How.LOSS:
            return quality.start(at)
        case How.DURATIONS:
            return histogram.start()
        case How.LIMIT:
            return slo.start()


def _fed(guard: Asked, state: PartState, row: Row, what: Counted) -> PartState:
    mine, theirs = row.candidate, row.stable
    match state:
        case RateState():
            return rate.update(
                state,
                bad=mine.errors,
                requests=mine.requests,
                stable_bad=theirs.errors,
                stable_requests=theirs.requests,
                at=what.at,
                seconds=what.seconds,
                worse_by=guard.worse_by,
                noise=guard.noise,
            )
        case QualityState():
            cohort = Cohort(what.at, mine.requests, mine.errors, theirs.requests, theirs.errors)
            return quality.hear_cohorts(
                state, (cohort,), at=what.at, within=0.0, drop=guard.drop, burst=guard.noise.burst
            )
        case HistogramState():
            return histogram.update(
                state,
                mine,
                theirs,
                bounds=what.bounds,
                at=what.at,
                seconds=what.seconds,
                worse_by=guard.worse_by,
                noise=guard.noise,
            )
        case SloState():
            return state


def _placed(guard: Asked, state: AskedState, rows: Iterable[Row], at: float) -> AskedState:
    """Count who has how many requests, and give free places to those with enough, from this look on: what is
    bad in it has no part in that."""
    seen = dict(state.seen)
    for row in rows:
        if row.segment:
            seen[row.segment] = seen.get(row.segment, 0.0) + row.candidate.requests + row.stable.requests
    ranked = sorted(seen.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = list(state.parts)
    for label in guard.labels:
        prefix = f"{label}="
        total = sum(n for name, n in ranked if name.startswith(prefix))
        taken = {part.name for part in parts if part.name.startswith(prefix)} - {others(prefix)}
        for name, n in ranked:
            wants = name.startswith(prefix) and name not in taken and name != others(name)
            enough = n >= max(SEEN, guard.split.least * total)
            if wants and enough and len(taken) < guard.split.most:
                parts.append(Part(name, _fresh(guard, at)))
                taken.add(name)
    kept = {part.name for part in parts}
    short = [pair for pair in ranked if pair[0] in kept]
    short += [pair for pair in ranked if pair[0] not in kept][: MOST_WAITING - len(short)]
    return replace(state, parts=tuple(parts), seen=tuple(short))


def _sum(name: str, rows: Sequence[Row]) -> Row:
    return Row(name, _added([row.candidate for row in rows]), _added([row.stable for row in rows]))


def _added(arms: Sequence[Arm]) -> Arm:
    buckets = tuple(map(sum, zip(*(arm.buckets for arm in arms), strict=True))) if arms[0].buckets else ()
    return Arm(sum(arm.requests for arm in arms), sum(arm.errors for arm in arms), buckets)


# --- the budget ------------------------------------------------------------------------------


def title(guard: Asked, part: str) -> str:
    """How a part is called where people read it: `errors`, or `errors in country=tr`."""
    return f"{guard.name} in {part}" if part else guard.name


def stakes(guard: Asked, state: AskedState, *, blameless: bool) -> list[Stake]:
    """Each test's part in the budget. `blameless`: stable breaks the limit too, so it blames nobody."""
    parts = [part for part in state.parts if part.name != STABLE]
    found = []
    for part in parts:
        log_e = min(part.state.log_e, 0.0) if blameless else part.state.log_e
        weight = guard.place if part.name else guard.together
        found.append(Stake(title(guard, part.name), weight, log_e, part.state.log_peak))
    left = guard.stake - sum(stake.weight for stake in found)
    if left > 1e-9 * guard.stake:
        found.append(Stake(title(guard, "(free places)"), left, 0.0, 0.0))
    return found
