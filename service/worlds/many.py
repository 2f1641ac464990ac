"""Production's judge for many runs in arrays: the same bets, by the same functions, hundreds at a time.

The arithmetic is that of the guards themselves, which take rows of rollouts (`guards`); the bounds
of the ramp are `ramp`'s. What is written here anew is only which guard is fed when, and how findings
become a verdict, as `judge` and `verdict` do it for one rollout; a test holds both beside each other
on every world. What it does not know it refuses (`knows`), and the judges go one by one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from policies import ramp
from policies.guards import abreast, betting, budget, share, slo
from policies.guards.allowed import LEAST_STABLE
from policies.guards.betting import Array
from policies.guards.judge import Judge
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.plan import EMERGENCY_LIMIT, EMERGENCY_STAKE, Limit, Plan, burst_of
from policies.spec.declaration import GuardKind
from service.worlds.guards import Bets, Durations, Rates
from service.worlds.panels import Truths, Verdicts
from service.worlds.traffic import Arms, Runs, Tick

CHUNK = 200  # runs whose alternatives fit the processor's cache together
SUSPECT = float(np.log(budget.SUSPICION))


def knows(judge: Judge) -> bool:
    """Whether this module can stand for such a judge."""
    plan = judge.plan
    known = {GuardKind.ERRORS, GuardKind.LATENCY}
    beyond = (plan.asked, plan.thresholds, plan.qualities, plan.drifts)
    return not any(beyond) and {c.kind for c in plan.comparisons} <= known


class Many:
    """The judges of many runs with one plan; their noise and history may differ."""

    def __init__(self, judges: Sequence[Judge], bounds: tuple[float, ...]) -> None:
        plan = judges[0].plan
        runs = len(judges)
        self.plan, self.bounds = plan, bounds
        self._noises = [[j.plan.comparisons[i].noise for j in judges] for i in range(len(plan.comparisons))]
        self._limit_noises = [[j.plan.limits[i].noise for j in judges] for i in range(len(plan.limits))]
        self._rates = [Rates.fresh(runs) for _ in plan.comparisons]
        self._seen = [np.zeros((4, runs)) for _ in plan.comparisons]  # bad, requests, of stable
        self._durations = [Durations(judges, index, bounds) for index in range(len(plan.distributions))]
        self._limits = [Bets.fresh(runs) for _ in plan.limits]
        self._stable_limits = [Bets.fresh(runs) for _ in plan.limits]
        self._limit_seen = [np.zeros((2, runs)) for _ in plan.limits]
        self._level = [
            np.array([np.nan if j.plan.limits[i].limit is None else j.plan.limits[i].limit for j in judges])
            for i in range(len(plan.limits))
        ]
        by_bound = {bound for _, bound in plan.timed}
        self._untimed = not by_bound <= set(bounds) or bool(plan.distributions and not bounds)
        self._burst = np.array([j.plan.burst for j in judges])
        self._known_rate = [j.plan.history.rate if j.plan.history else None for j in judges]
        self._emergency, self._storm = Bets.fresh(runs), Rates.fresh(runs)
        self._storm_noises = [j.plan.storm[1] for j in judges]
        self._shares = [Bets.fresh(runs, 2) for _ in plan.shares]
        self._tested_at = np.zeros(runs)
        self._weight = np.zeros(runs)
        self._together = np.ones(runs, dtype=bool)
        self._split = np.zeros((2, runs))
        self._warm = np.full(runs, -1.0)
        self._total = np.zeros((4, runs))  # candidate's requests and errors, stable's
        self._harm = np.zeros(runs, dtype=bool)

    # --- what was seen -----------------------------------------------------------------------

    def observe(self, who: Runs, tick: Tick, weights: Array) -> None:
        """One interval, a few hundred runs at a time."""
        for rows in betting.in_parts(len(who), CHUNK):
            self._observe(who[rows], _part(tick, rows), weights[rows])

    def _observe(self, who: Runs, tick: Tick, weights: Array) -> None:
        mine, theirs = tick.candidate.requests, np.where(weights < 100, tick.stable.requests, 0.0)
        moved = weights != self._weight[who]
        self._split[:, who] = np.where(moved, 0.0, self._split[:, who] + np.stack([mine, mine + theirs]))
        before = self._warm[who]
        self._warm[who] = np.where(before >= 0, before + tick.seconds, np.where(mine > 0, 0.0, before))
        for rates in (*self._rates, self._storm):
            rates.pool[who[moved]] = 0.0
        self._test_shares(who, tick, weights, moved=moved)
        self._weight[who], self._together[who] = weights, weights < 100
        warm = self._warm[who]
        begun, cold, alone = warm >= 0, warm < self.plan.warmup, weights >= 100
        self._warmed(who[begun & ~cold & (before >= 0) & (before < self.plan.warmup)])
        self._feed(begun & cold & alone, self._warn, who, tick)
        self._feed(begun & cold & ~alone, self._storms, who, tick)
        self._feed(begun & ~alone, self._compare, who, tick)
        self._feed(begun & ~cold & alone, self._alone, who, tick)
        self._harm[who] |= self._combined(who) >= -np.log(self.plan.false_rollbacks)

    @staticmethod
    def _feed(which: Truths, guard: Any, who: Runs, tick: Tick) -> None:
        """Feed these runs alone to a guard."""
        if which.all():
            guard(who, tick)
        elif which.any():
            guard(who[which], _part(tick, which))

    def _test_shares(self, who: Runs, tick: Tick, weights: Array, *, moved: Truths) -> None:
        """The first interval at a new weight is not counted, as in `share.update`."""
        for guard, bets in zip(self.plan.shares, self._shares, strict=True):
            fresh = who[moved]
            bets.put(fresh, *Bets.fresh(len(fresh), 2).at(np.arange(len(fresh))))
            bets.log_e[fresh] = 0.0
            stays = ~moved & (weights > 0) & (weights < 100)
            if not stays.any():
                continue
            runs, part = who[stays], weights[stays]
            n, m = tick.candidate.requests[stays], tick.stable.requests[stays]
            room = np.array([share.margin(w, guard.tolerance) for w in part])
            most, other = part / 100 + room, 1 - part / 100 + room
            kept = self.plan.kept
            before = bets.at(runs)
            track = slo.advance(
                slo.Track(*before),
                np.stack([n, n if kept else m], axis=-1),
                np.stack([n + m, n + m], axis=-1),
                limit=np.stack([most, most if kept else other], axis=-1),
                at=np.full((len(runs), 2), tick.at),
                seconds=tick.seconds,
                noise=share.ROUTING,
            )
            bets.put(runs, *track)

    def _warn(self, who: Runs, tick: Tick) -> None:
        level = np.full(len(who), EMERGENCY_LIMIT)
        counts = self._counts(None, tick)[:2]
        self._bet(self._emergency, who, tick, counts=counts, limit=level, noise=PROVISIONAL)

    def _storms(self, who: Runs, tick: Tick) -> None:
        noise = abreast.noise([self._storm_noises[run] for run in who])
        self._storm.feed(who, self._counts(None, tick), tick, worse_by=self.plan.storm[0], noise=noise)

    def _warmed(self, who: Runs) -> None:
        """The end of a warm-up, as `judge` has it."""
        if not len(who):
            return
        betting_ones: list[Bets | Durations] = [*self._rates, *self._durations, *self._limits]
        was_cold = np.zeros(len(who), dtype=bool)
        for one in betting_ones:
            was_cold |= one.peak[who] >= SUSPECT
            one.again(who)
        forgotten = who[was_cold]
        for seen in (*self._seen, *self._limit_seen, self._total):
            seen[:, forgotten] = 0.0
        for durations in self._durations:
            durations.forget(forgotten)

    def _compare(self, who: Runs, tick: Tick) -> None:
        for index, guard in enumerate(self.plan.comparisons):
            if guard.slower_than is not None and guard.slower_than not in self.bounds:
                continue
            counts = self._counts(guard.slower_than, tick)
            noise = abreast.noise([self._noises[index][run] for run in who])
            goal = self.plan.harm_at(guard.stake)
            self._rates[index].feed(who, counts, tick, worse_by=guard.worse_by, noise=noise, goal=goal)
            self._seen[index][:, who] += counts
        if self.bounds:
            for durations in self._durations:
                durations.feed(who, tick)
        for index, limit in enumerate(self.plan.limits):
            noise = abreast.noise([self._limit_noises[index][run] for run in who])
            level = self._level[index][who]
            counts = self._limit_counts(limit, tick)
            if limit.written:
                self._bet(self._limits[index], who, tick, counts=counts[:2], limit=level, noise=noise)
                self._limit_seen[index][:, who] += counts[:2]
            if limit.limit is not None:
                self._bet(self._stable_limits[index], who, tick, counts=counts[2:], limit=level, noise=noise)
        self._total[:, who] += _counted(tick.candidate, tick.stable)

    def _counts(self, slower_than: float | None, tick: Tick) -> Array:
        """Bad requests and all, of the candidate and of stable, as a guard with this bound counts them."""
        arms = (tick.candidate, tick.stable)
        if slower_than is None:
            return np.stack([counted for a in arms for counted in (a.errors, a.requests)])
        beyond = self.bounds.index(slower_than) + 1
        return np.stack(
            [n for a in arms for n in (a.buckets[:, beyond:].sum(axis=-1), a.buckets.sum(axis=-1))]
        )

    def _limit_counts(self, limit: Limit, tick: Tick) -> Array:
        """As `_counts`; where the bound is no bucket's, of no requests."""
        if limit.slower_than is not None and limit.slower_than not in self.bounds:
            return np.zeros((4, len(tick.wrong)))
        return self._counts(limit.slower_than, tick)

    def _alone(self, who: Runs, tick: Tick) -> None:
        for index, limit in enumerate(self.plan.limits):
            self._derive(index, who)
            level = self._level[index][who]
            has = ~np.isnan(level)
            noise = abreast.noise([self._limit_noises[index][run] for run in who[has]])
            counts = self._limit_counts(limit, tick)[:2, has]
            self._bet(self._limits[index], who[has], tick, counts=counts, limit=level[has], noise=noise)
            self._limit_seen[index][:, who[has]] += counts
        self._total[:2, who] += _counted(tick.candidate)

    def _derive(self, index: int, who: Runs) -> None:
        """Where nobody gave a limit, what stable served beside the candidate gives one."""
        bound = self.plan.limits[index].slower_than
        for run in who[np.isnan(self._level[index][who])]:
            requests, bad, burst = self._total[2, run], self._total[3, run], self._burst[run]
            if bound is not None:
                compared = [guard.slower_than for guard in self.plan.comparisons].index(bound)
                bad, requests = self._seen[compared][2:, run]
                burst = burst_of(self._limit_noises[index][run])
            limit = slo.limit_from_history(bad, requests, burst)
            self._level[index][run] = np.nan if limit is None else limit

    @staticmethod
    def _bet(bets: Bets, who: Runs, tick: Tick, *, counts: Array, limit: Array, noise: Noise) -> None:
        """`counts` are bad requests and all."""
        if not len(who):
            return
        track = slo.advance(
            slo.Track(*bets.at(who)),
            *counts,
            limit=limit,
            at=np.full(len(who), tick.at),
            seconds=tick.seconds,
            noise=noise,
        )
        bets.put(who, *track)

    # --- what it comes to --------------------------------------------------------------------

    def harmful(self, who: Runs) -> Truths:
        return self._harm[who].copy()

    def _breached(self, who: Runs) -> list[Truths]:
        return [self._together[who] & (bets.log_e[who] >= SUSPECT) for bets in self._stable_limits]

    def _combined(self, who: Runs) -> Array:
        """log of the budget's weighted mean of E."""
        cold = self._cold(who)
        parts_of = [c.stake for c in self.plan.comparisons] + [d.stake for d in self.plan.distributions]
        stakes = [
            (np.full(len(who), stake), np.where(cold, 0.0, log_e[who]))
            for stake, log_e in zip(parts_of, self._logs(), strict=True)
        ]
        for index, (limit, breached) in enumerate(zip(self.plan.limits, self._breached(who), strict=True)):
            has = ~np.isnan(self._level[index][who]) & ((limit.limit is not None) | ~self._together[who])
            log_e = np.where(cold, 0.0, self._limits[index].log_e[who])
            stakes.append((np.where(has, limit.stake, 0.0), np.where(breached, np.minimum(log_e, 0), log_e)))
        if self.plan.warmup > 0:
            stakes.append(
                (np.full(len(who), EMERGENCY_STAKE), self._emergency.log_e[who] + self._storm.log_e[who])
            )
        parts, logs = (np.stack(column) for column in zip(*stakes, strict=True))
        total = parts.sum(axis=0)
        none = total == 0
        with np.errstate(divide="ignore"):
            weighted = np.where(parts > 0, np.log(parts / np.where(none, 1.0, total)) + logs, -np.inf)
        return np.asarray(np.where(none, 0.0, np.logaddexp.reduce(weighted, axis=0)))

    def _cold(self, who: Runs) -> Truths:
        return np.asarray((self.plan.warmup > 0) & (self._warm[who] < self.plan.warmup))

    def _logs(self) -> list[Array]:
        """log E of all guards that compare."""
        return [bets.log_e for bets in self._rates] + [one.log_e for one in self._durations]

    def verdicts(self, who: Runs) -> Verdicts:
        harm, together = self._harm[who], self._together[who]
        suspect = self._suspect(who)
        cold, weight = self._cold(who), self._weight[who]
        waits = (self._warm[who] < 0) | (cold & (weight >= self.plan.before_top)) | self._untimed
        for breached in self._breached(who):
            waits |= breached
        ramped = [self._ramped(run) if both else (0.0, 0.0) for run, both in zip(who, together, strict=True)]
        least, counted = np.array(ramped).reshape(-1, 2).T
        top = self.plan.top
        goes_on = (least > weight) | ((weight >= top) & (least >= top))
        cleared = np.where(together, ~waits & (counted > 0) & goes_on, self._kept(who))
        cleared = cleared & ~harm & ~suspect
        least = np.where(cold, np.minimum(least, np.maximum(self.plan.before_top, weight)), least)
        held = np.where(suspect | waits, np.minimum(least, weight), least)
        allowed = np.where(together, held, np.where(cleared, 100.0, weight))
        allowed = np.where(harm | (self._total[0, who] == 0) | (weight <= 0), 0.0, allowed)
        mine, total = self._split[:, who]
        seen = np.where(total > 0, 100 * mine / np.where(total > 0, total, 1.0), np.nan)
        return Verdicts(harm.copy(), suspect & ~harm, cleared, allowed, seen)

    def _suspect(self, who: Runs) -> Truths:
        found = self._combined(who) >= SUSPECT
        for log_e in self._logs():
            found |= log_e[who] >= SUSPECT
        alone = ~self._together[who]
        for limit, bets in zip(self.plan.limits, self._limits, strict=True):
            found |= (alone | limit.written) & (bets.log_e[who] >= SUSPECT)
        for bets in self._shares:
            high, low = bets.log_e[who].T
            found |= np.logaddexp(high, low) - np.log(2) >= share.ALARM
        return np.asarray(found)

    def _ramped(self, run: int) -> tuple[float, float]:
        """The weight that the tightest of a run's rates allows, and its requests, by `ramp` itself."""
        plan = self.plan
        requests, errors, stable_requests, stable_errors = self._total[:, run]
        burst = self._burst[run]
        rate_of = self._stable_rate(run, stable_errors, stable_requests)
        found = [_allowed(errors / burst, requests / burst, rate_of, plan.risk, plan)]
        for index, guard in enumerate(plan.comparisons):
            if guard.kind is not GuardKind.LATENCY:
                continue
            found.append(_slow_allowed(self._seen[index][:, run], self._noises[index][run], plan))
        found += [_slow_allowed(d.seen[:, run], d.noises[run], plan) for d in self._durations]
        return min(found, key=lambda one: one[0])

    def _stable_rate(self, run: int, errors: float, requests: float) -> float | None:
        return errors / requests if requests >= LEAST_STABLE else self._known_rate[run]

    def _kept(self, who: Runs) -> Truths:
        """Whether each absolute limit is certainly kept, for runs that have all traffic."""
        kept = np.full(len(who), fill_value=bool(self.plan.limits))
        for index in range(len(self.plan.limits)):
            for row, run in enumerate(who):
                if self._together[run]:
                    continue
                level = self._level[index][run]
                bad, requests = self._limit_seen[index][:, run]
                sure = not np.isnan(level) and requests > 0 and ramp.upper_bound(bad, requests) <= level
                kept[row] &= bool(sure)
        return kept


def _allowed(
    bad: float, requests: float, rate_of: float | None, risk: float | None, plan: Plan
) -> tuple[float, float]:
    if requests <= 0:
        return 0.0, 0.0
    excess = ramp.excess(bad, requests, rate_of)
    return ramp.allowed_weight(excess, ramp.risk_of(rate_of, risk), plan.ladder), requests


def _slow_allowed(counts: Array, noise: Noise, plan: Plan) -> tuple[float, float]:
    """By slow requests, thinned by a learned burst."""
    thin = 1.0 if noise.provisional else noise.burst
    bad, seen, stable_bad, stable_seen = counts
    slow = stable_bad / stable_seen if stable_seen >= LEAST_STABLE else None
    return _allowed(bad / thin, seen / thin, slow, None, plan)


def _part(tick: Tick, which: Any) -> Tick:
    arms = _rows(tick.candidate, which), _rows(tick.stable, which)
    return Tick(tick.at, tick.seconds, *arms, tick.wrong[which])


def _rows(arms: Arms, which: Any) -> Arms:
    return Arms(arms.requests[which], arms.errors[which], arms.buckets[which])


def _counted(*arms: Arms) -> Array:
    return np.stack([counted for a in arms for counted in (a.requests, a.errors)])
