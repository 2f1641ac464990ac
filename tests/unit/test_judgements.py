"""What a judge finds in traffic that is always the same, in full: all that people read, and the weight allowed."""

from inline_snapshot import snapshot

from policies.guards import state as states
from policies.guards.counted import Counted, Row
from policies.guards.drift import Scored
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.judge import Judge
from policies.guards.labelled import Cohort, Labelled, Pairs
from policies.guards.noise import Noise
from policies.guards.paired import Classed, Paired, Tally
from policies.guards.plan import History
from policies.spec.declaration import (
    Comparison,
    Environment,
    Guard,
    GuardKind,
    Shadow,
    Split,
    StepSpec,
    Strategy,
)

BOUNDS = (0.1, 0.5, 2.0)
HISTORY = History(50_000.0, 100.0, (30_000.0, 15_000.0, 4_500.0, 500.0), BOUNDS)
NOISE = Noise(1.5, 0.05, provisional=False)
ROUTER = (
    Guard("errors", GuardKind.ERRORS, worse_by=0.1),
    Guard("slow", GuardKind.LATENCY, slower_than=0.5, worse_by=0.05),
    Guard("latency", GuardKind.LATENCY, worse_by=0.05),
    Guard("slo", GuardKind.SLO, limit=0.02),
    Guard("alive", GuardKind.ALIVE),
    Guard("share", GuardKind.SHARE),
    Guard("plain", GuardKind.THRESHOLD, limit=0.05, comparison=Comparison.AT_MOST),
)


class Seen:
    """Feeds a judge and keeps what it finds."""

    def __init__(self, environment, **given):
        self.judge = Judge.of(environment, **given)
        self.state = self.judge.start(0.0, restarts=1)
        self.number = 0
        self.lines = []

    def feed(self, what, alive=None):
        self.state = self.judge.observe(self.state, what, alive)

    def scrape(self, count, *, weight=10.0, bad=1.0, slow=0.0, alone=False, alive=None, stable_bad=1.0):
        """Looks of 10 s with 1,000 requests; the candidate fails `bad` times as often as usual."""
        for _ in range(count):
            self.number += 1
            mine = _arm(1000 if alone else 10 * weight, self.number, bad, slow)
            theirs = None if alone else _arm(1000 - 10 * weight, self.number, stable_bad, 0.0)
            at = 10.0 * self.number
            self.feed(Increment(self.number, at, 10.0, weight, mine, theirs, BOUNDS), alive)

    def tell(self, what, **asked):
        evidence = self.judge.evidence(self.state, epoch=3, **asked)
        self.lines.append(
            f"{what}: {evidence.verdict.value}, allowed {evidence.allowed:g} of {evidence.weight:g},"
            f" share {evidence.share if evidence.share is None else round(evidence.share, 3)},"
            f" {evidence.sequence}, {'of now' if evidence.current else 'of then'}, harm {self.state.harm}"
        )
        for one in evidence.findings:
            numbers = ", ".join(f"{name} {value:.5g}" for name, value in one.numbers)
            interval = one.interval and tuple(float(f"{end:.5g}") for end in one.interval)
            self.lines.append(
                f"  {one.guard}: {one.verdict.value}, {one.rule} [{numbers}] {interval} {one.samples}; {one.needed}"
            )

    def told(self):
        again = states.from_json(states.to_json(self.state))
        assert again == self.state
        return "\n".join(self.lines)


def _arm(requests, number, bad, slow):
    """0.5 % fail and 10 % take long; each third look has twice as many of both, and the next two less."""
    wave = (2.0, 0.5, 0.5)[number % 3]
    long = round(requests * (0.09 + slow) * wave)
    longest = round(requests * 0.01 * wave)
    quick = round((requests - long - longest) * 0.7)
    return Arm(
        float(requests),
        float(round(requests * 0.005 * bad * wave)),
        (float(quick), float(requests - quick - long - longest), float(long), float(longest)),
    )


def test_a_good_version_beside_stable_then_alone():
    run = Seen(Environment(guards=ROUTER), history=HISTORY, noise={g.name: NOISE for g in ROUTER})
    run.tell("before anything")
    run.scrape(1)
    run.tell("after a look")
    run.scrape(30)
    run.tell("at 10 %")
    run.tell("too late", at=400.0)
    run.scrape(30, weight=50.0)
    run.tell("at 50 %", needs=False)
    run.feed(Gap(62, 620.0, "the router was not asked", silent=False))
    run.tell("in a gap")
    run.number += 1
    run.scrape(20, weight=100.0, alone=True)
    run.tell("alone")
    assert run.told() == snapshot("""\
before anything: undecided, allowed 0 of 0, share None, 0, of then, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 225, p_value 1, burst 1.5, spread 0.05] None 0; requests on both versions
  slow: undecided, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 0; requests on both versions
  latency: undecided, the candidate's durations may be at most 5 % longer than stable's [slower_than 0, bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 0; 1 more requests of stable with their durations, to bet from
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 0, requests 0, limit 0.02, at_most 1, evidence 1, harm_at 900] None 0; 157 more requests without a failure
  alive: undecided, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 0; the candidate's numbers and its answer
  share: undecided, the candidate's share of requests is 0 %, give or take 0 % [requests 0, all_requests 0, share 0] None 0; requests on both versions
  plain: undecided, failed requests: at most 5 % in a minute (no error guarantee) [checks 0, failed_checks 0] None 0; a whole minute with requests
  risk: undecided, at most 0.1 % of all requests may fail because of the candidate [failed 0, requests 0, excess_at_most 0.998, allowed 0] None 0; numbers again: none came lately
after a look: undecided, allowed 2 of 10, share None, 1, of now, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 0, requests 100, stable_bad 2, stable_requests 900, evidence 0.8112, harm_at 225, p_value 1, burst 1.5, spread 0.05] (0.0, 140.8) 100; harm after 8 more of the candidate's alone
  slow: undecided, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 4, requests 100, stable_bad 44, stable_requests 900, evidence 0.453, harm_at 450, p_value 1, burst 1.5, spread 0.05] (0.0, 3.9381) 100; harm after 18 more of the candidate's alone
  latency: undecided, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 4, requests 100, stable_bad 44, stable_requests 900, evidence 0.4981, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 100; harm at an evidence of 450
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 0, requests 100, limit 0.02, at_most 0.03087, evidence 0.4377, harm_at 900] (0.0, 0.030869) 100; 57 more requests without a failure
  alive: undecided, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 0; the candidate's numbers and its answer
  share: undecided, the candidate's share of requests is 10 %, give or take 5 % [requests 0, all_requests 0, share 0] None 0; requests on both versions
  plain: undecided, failed requests: at most 5 % in a minute (no error guarantee) [checks 0, failed_checks 0] None 100; a whole minute with requests
  risk: undecided, at most 0.111 % of all requests may fail because of the candidate [failed 0, requests 66.667, excess_at_most 0.04365, allowed 2] (0.0, 0.043652) 66; 272 more requests without a failure for 15 %
at 10 %: cleared, allowed 50 of 10, share 10.0, 31, of now, harm ()
  errors: cleared, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 10, requests 3100, stable_bad 132, stable_requests 27900, evidence 0.257, harm_at 225, p_value 1, burst 1.5, spread 0.05] (0.1375, 2.0682) 3100; harm after 14 more of the candidate's alone
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 284, requests 3100, stable_bad 2724, stable_requests 27900, evidence 0.1717, harm_at 450, p_value 1, burst 1.5, spread 0.05] (0.6167, 1.3688) 3100; harm after 27 more of the candidate's alone
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 284, requests 3100, stable_bad 2724, stable_requests 27900, evidence 0.3381, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 3100; harm at an evidence of 450
  slo: cleared, at most 2 % of the candidate's requests may fail [bad 10, requests 3100, limit 0.02, at_most 0.007681, evidence 0.1717, harm_at 900] (0.0, 0.0076811) 3100; nothing: the limit is kept
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 3000; nothing: it answers
  share: cleared, the candidate's share of requests is 10 %, give or take 5 % [requests 3000, all_requests 30000, share 0.1] None 30000; nothing: the split is right
  plain: cleared, failed requests: at most 5 % in a minute (no error guarantee) [checks 4, failed_checks 0] None 300; nothing: the last minute was below the limit
  risk: cleared, at most 0.237 % of all requests may fail because of the candidate [failed 6.6667, requests 2066.7, excess_at_most 0.004136, allowed 50] (0.0, 0.0041361) 2066; nothing: 50 % is allowed
too late: undecided, allowed 10 of 10, share 10.0, 31, of then, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 10, requests 3100, stable_bad 132, stable_requests 27900, evidence 0.257, harm_at 225, p_value 1, burst 1.5, spread 0.05] (0.1375, 2.0682) 3100; harm after 14 more of the candidate's alone
  slow: undecided, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 284, requests 3100, stable_bad 2724, stable_requests 27900, evidence 0.1717, harm_at 450, p_value 1, burst 1.5, spread 0.05] (0.6167, 1.3688) 3100; harm after 27 more of the candidate's alone
  latency: undecided, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 284, requests 3100, stable_bad 2724, stable_requests 27900, evidence 0.3381, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 3100; harm at an evidence of 450
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 10, requests 3100, limit 0.02, at_most 0.007681, evidence 0.1717, harm_at 900] (0.0, 0.0076811) 3100; nothing: the limit is kept
  alive: undecided, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 3000; the candidate's numbers and its answer
  share: undecided, the candidate's share of requests is 10 %, give or take 5 % [requests 3000, all_requests 30000, share 0.1] None 30000; requests on both versions
  plain: undecided, failed requests: at most 5 % in a minute (no error guarantee) [checks 4, failed_checks 0] None 300; a whole minute with requests
  risk: undecided, at most 0.237 % of all requests may fail because of the candidate [failed 6.6667, requests 2066.7, excess_at_most 0.004136, allowed 50] (0.0, 0.0041361) 2066; numbers again: none came lately
at 50 %: cleared, allowed 100 of 50, share 50.0, 61, of now, harm ()
  errors: cleared, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 80, requests 18100, stable_bad 202, stable_requests 42900, evidence 0.1861, harm_at 225, p_value 1, burst 1.5, spread 0.05] (0.45835, 1.8227) 18100; \n\
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 1764, requests 18100, stable_bad 4204, stable_requests 42900, evidence 0.1497, harm_at 450, p_value 1, burst 1.5, spread 0.05] (0.77509, 1.3273) 18100; \n\
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 1764, requests 18100, stable_bad 4204, stable_requests 42900, evidence 0.3196, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 18100; harm at an evidence of 450
  slo: cleared, at most 2 % of the candidate's requests may fail [bad 80, requests 18100, limit 0.02, at_most 0.006473, evidence 0.1494, harm_at 900] (0.0, 0.0064727) 18100; nothing: the limit is kept
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 14500; nothing: it answers
  share: cleared, the candidate's share of requests is 50 %, give or take 5 % [requests 14500, all_requests 29000, share 0.5] None 29000; nothing: the split is right
  plain: cleared, failed requests: at most 5 % in a minute (no error guarantee) [checks 8, failed_checks 0] None 2500; nothing: the last minute was below the limit
  risk: cleared, at most 0.235 % of all requests may fail because of the candidate [failed 53.333, requests 12067, excess_at_most 0.00225, allowed 100] (0.0, 0.0022499) 12066; nothing: 100 % is allowed
in a gap: undecided, allowed 50 of 50, share 50.0, 62, of then, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 80, requests 18100, stable_bad 202, stable_requests 42900, evidence 0.1861, harm_at 225, p_value 1, burst 1.5, spread 0.05] (0.45835, 1.8227) 18100; harm after 24 more of the candidate's alone
  slow: undecided, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 1764, requests 18100, stable_bad 4204, stable_requests 42900, evidence 0.1497, harm_at 450, p_value 1, burst 1.5, spread 0.05] (0.77509, 1.3273) 18100; harm after 48 more of the candidate's alone
  latency: undecided, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 1764, requests 18100, stable_bad 4204, stable_requests 42900, evidence 0.3196, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 18100; harm at an evidence of 450
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 80, requests 18100, limit 0.02, at_most 0.006473, evidence 0.1494, harm_at 900] (0.0, 0.0064727) 18100; nothing: the limit is kept
  alive: undecided, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 14500; the candidate's numbers and its answer
  share: undecided, the candidate's share of requests is 50 %, give or take 5 % [requests 14500, all_requests 29000, share 0.5] None 29000; requests on both versions
  plain: undecided, failed requests: at most 5 % in a minute (no error guarantee) [checks 8, failed_checks 0] None 2500; a whole minute with requests
  risk: undecided, at most 0.235 % of all requests may fail because of the candidate [failed 53.333, requests 12067, excess_at_most 0.00225, allowed 100] (0.0, 0.0022499) 12066; numbers again: the router was not asked
alone: cleared, allowed 100 of 100, share 100.0, 82, of now, harm ()
  errors: cleared, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 80, requests 18100, stable_bad 202, stable_requests 42900, evidence 0.1861, harm_at 225, p_value 1, burst 1.5, spread 0.05] (0.45835, 1.8227) 18100; harm after 24 more of the candidate's alone
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 1764, requests 18100, stable_bad 4204, stable_requests 42900, evidence 0.1497, harm_at 450, p_value 1, burst 1.5, spread 0.05] (0.77509, 1.3273) 18100; harm after 48 more of the candidate's alone
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 1764, requests 18100, stable_bad 4204, stable_requests 42900, evidence 0.3196, harm_at 450, p_value 1, burst 1.5, spread 0.05] None 18100; harm at an evidence of 450
  slo: cleared, at most 2 % of the candidate's requests may fail [bad 176, requests 38100, limit 0.02, at_most 0.006061, evidence 0.1379, harm_at 900] (0.0, 0.0060605) 38100; nothing: the limit is kept
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 19000; nothing: it answers
  share: undecided, the candidate's share of requests is 100 %, give or take 0 % [requests 0, all_requests 0, share 0] None 0; requests on both versions
  plain: cleared, failed requests: at most 5 % in a minute (no error guarantee) [checks 11, failed_checks 0] None 5000; nothing: the last minute was below the limit\
""")


def test_a_version_that_is_worse_in_all_ways():
    guards = (*ROUTER[:2], Guard("latency", GuardKind.LATENCY), Guard("slo", GuardKind.SLO), *ROUTER[4:])
    run = Seen(Environment(guards=guards, risk=0.002, steps=(StepSpec(20.0, 60.0),)))
    run.scrape(4, bad=3.0, slow=0.1)
    run.tell("soon")
    run.scrape(20, bad=12.0, slow=0.3, alive=Alive(restarts=4, answers=False, ended="used too much memory"))
    run.tell("later")
    for number in range(25, 30):
        run.feed(Gap(number, 10.0 * number + 50, "no answer", silent=True), Alive(restarts=4, answers=False))
    run.tell("silent")
    assert run.told() == snapshot("""\
soon: undecided, allowed 3 of 10, share 10.0, 4, of now, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 6, requests 400, stable_bad 15, stable_requests 3600, evidence 2.175, harm_at 200, p_value 0.4598, burst 1.5, spread 0.3] (0.37005, 23.299) 400; harm after 9 more of the candidate's alone (provisional noise: no history yet)
  slow: undecided, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 70, requests 400, stable_bad 312, stable_requests 3600, evidence 2.983, harm_at 400, p_value 0.3352, burst 1.5, spread 0.3] (0.66839, 6.7678) 400; harm after 38 more of the candidate's alone (provisional noise: no history yet)
  latency: undecided, the candidate must not be slower than stable [slower_than 0.5, bad 60, requests 300, stable_bad 268, stable_requests 2700, evidence 2.674, harm_at 400, p_value 0.3018, burst 1.5, spread 0.3] None 300; harm at an evidence of 400 (provisional noise: no history yet)
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 300; nothing: it answers
  share: cleared, the candidate's share of requests is 10 %, give or take 5 % [requests 300, all_requests 3000, share 0.1] None 3000; nothing: the split is right
  plain: undecided, failed requests: at most 5 % in a minute (no error guarantee) [checks 0, failed_checks 0] None 400; a whole minute with requests
  risk: undecided, at most 0.2 % of all requests may fail because of the candidate [failed 6, requests 400, excess_at_most 0.04949, allowed 3] (0.0, 0.049491) 400; 643 more requests without a failure for 15 %
later: harm, allowed 0 of 10, share 10.0, 24, of now, harm ('alive', 'errors', 'latency', 'slow')
  errors: harm, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 129, requests 2400, stable_bad 104, stable_requests 21600, evidence 1.905e+12, harm_at 200, p_value 5.249e-13, burst 1.5, spread 0.3] (3.6501, 32.487) 2400; a new version
  slow: harm, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 890, requests 2400, stable_bad 2144, stable_requests 21600, evidence 33260, harm_at 400, p_value 3.007e-05, burst 1.5, spread 0.3] (1.5099, 10.617) 2400; a new version
  latency: harm, the candidate must not be slower than stable [slower_than 0.5, bad 880, requests 2300, stable_bad 2100, stable_requests 20700, evidence 1.023e+08, harm_at 400, p_value 9.777e-09, burst 1.5, spread 0.3] None 2300; a new version
  alive: harm, it ended and came back 3 times (the last time it used too much memory); 2 restarts are allowed [seconds_without_data 0, seconds_without_answer 200, restarts 3] None 2300; a new version
  share: cleared, the candidate's share of requests is 10 %, give or take 5 % [requests 2300, all_requests 23000, share 0.1] None 23000; nothing: the split is right
  plain: suspect, failed requests: at most 5 % in a minute (no error guarantee) [checks 3, failed_checks 2] None 300; harm after 3 more minutes above the limit
  risk: undecided, at most 0.2 % of all requests may fail because of the candidate [failed 129, requests 2400, excess_at_most 0.09246, allowed 2] (0.0, 0.092463) 2400; 7936 more requests without a failure for 15 %
silent: harm, allowed 0 of 10, share 10.0, 29, of then, harm ('alive', 'errors', 'latency', 'slow')
  errors: harm, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 129, requests 2400, stable_bad 104, stable_requests 21600, evidence 1.905e+12, harm_at 200, p_value 5.249e-13, burst 1.5, spread 0.3] (3.6501, 32.487) 2400; a new version
  slow: harm, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 890, requests 2400, stable_bad 2144, stable_requests 21600, evidence 33260, harm_at 400, p_value 3.007e-05, burst 1.5, spread 0.3] (1.5099, 10.617) 2400; a new version
  latency: harm, the candidate must not be slower than stable [slower_than 0.5, bad 880, requests 2300, stable_bad 2100, stable_requests 20700, evidence 1.023e+08, harm_at 400, p_value 9.777e-09, burst 1.5, spread 0.3] None 2300; a new version
  alive: harm, it ended and came back 3 times (the last time it used too much memory); 2 restarts are allowed [seconds_without_data 55, seconds_without_answer 255, restarts 3] None 2300; a new version
  share: undecided, the candidate's share of requests is 10 %, give or take 5 % [requests 2300, all_requests 23000, share 0.1] None 23000; requests on both versions
  plain: suspect, failed requests: at most 5 % in a minute (no error guarantee) [checks 3, failed_checks 2] None 300; harm after 3 more minutes above the limit
  risk: undecided, at most 0.2 % of all requests may fail because of the candidate [failed 129, requests 2400, excess_at_most 0.09246, allowed 2] (0.0, 0.092463) 2400; numbers again: no answer\
""")


def test_a_warm_up_holds_and_a_storm_in_it_takes_back():
    run = Seen(Environment(guards=ROUTER, warm_up=100.0), warmup=100.0)
    run.scrape(6, bad=3.0)
    run.tell("cold")
    run.scrape(6, bad=1.0)
    run.tell("warm")
    storm = Seen(Environment(guards=ROUTER), warmup=100.0)
    storm.scrape(9, bad=100.0)
    storm.tell("in a storm")
    alone = Seen(Environment(guards=ROUTER), warmup=100.0)
    alone.scrape(9, bad=90.0, weight=100.0, alone=True)
    alone.tell("in a storm alone")
    assert "\n".join(one.told() for one in (run, storm, alone)) == snapshot("""\
cold: undecided, allowed 5 of 10, share 10.0, 6, of now, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 10, requests 600, stable_bad 26, stable_requests 5400, evidence 3.392, harm_at 250, p_value 0.2948, burst 1.5, spread 0.3] (0.57586, 16.947) 600; harm after 10 more of the candidate's alone (provisional noise: no history yet)
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 56, requests 600, stable_bad 536, stable_requests 5400, evidence 0.2665, harm_at 500, p_value 1, burst 1.5, spread 0.3] (0.31652, 3.2979) 600; harm after 34 more of the candidate's alone (provisional noise: no history yet)
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 52, requests 500, stable_bad 492, stable_requests 4500, evidence 0.4259, harm_at 500, p_value 1, burst 1.5, spread 0.3] None 500; harm at an evidence of 500 (provisional noise: no history yet)
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 10, requests 600, limit 0.02, at_most 0.05024, evidence 0.36, harm_at 1000] (0.0, 0.050237) 600; 708 more requests without a failure
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 500; nothing: it answers
  share: cleared, the candidate's share of requests is 10 %, give or take 5 % [requests 500, all_requests 5000, share 0.1] None 5000; nothing: the split is right
  plain: undecided, failed requests: at most 5 % in a minute (no error guarantee) [checks 0, failed_checks 0] None 600; a whole minute with requests
  risk: undecided, at most 0.241 % of all requests may fail because of the candidate [failed 10, requests 600, excess_at_most 0.04542, allowed 5] (0.0, 0.045422) 600; 661 more requests without a failure for 15 %
warm: undecided, allowed 10 of 10, share 10.0, 12, of now, harm ()
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 12, requests 1200, stable_bad 52, stable_requests 10800, evidence 0.6511, harm_at 250, p_value 1, burst 1.5, spread 0.3] (0.0, 13.125) 1200; harm after 12 more of the candidate's alone (provisional noise: no history yet)
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 112, requests 1200, stable_bad 1072, stable_requests 10800, evidence 0.3743, harm_at 500, p_value 1, burst 1.5, spread 0.3] (0.27388, 3.6105) 1200; harm after 27 more of the candidate's alone (provisional noise: no history yet)
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 108, requests 1100, stable_bad 1028, stable_requests 9900, evidence 0.5397, harm_at 500, p_value 1, burst 1.5, spread 0.3] None 1100; harm at an evidence of 500 (provisional noise: no history yet)
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 12, requests 1200, limit 0.02, at_most 0.02561, evidence 0.3848, harm_at 1000] (0.0, 0.025606) 1200; 285 more requests without a failure
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 1100; nothing: it answers
  share: cleared, the candidate's share of requests is 10 %, give or take 5 % [requests 1100, all_requests 11000, share 0.1] None 11000; nothing: the split is right
  plain: cleared, failed requests: at most 5 % in a minute (no error guarantee) [checks 1, failed_checks 0] None 500; nothing: the last minute was below the limit
  risk: undecided, at most 0.241 % of all requests may fail because of the candidate [failed 12, requests 1200, excess_at_most 0.02079, allowed 10] (0.0, 0.020791) 1200; 232 more requests without a failure for 15 %
in a storm: harm, allowed 0 of 10, share 10.0, 9, of now, harm ('warm-up',)
  errors: suspect, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 450, requests 900, stable_bad 39, stable_requests 8100, evidence 3.997e+56, harm_at 250, p_value 2.502e-57, burst 1.5, spread 0.3] (29.188, 140.8) 900; harm after 1 more of the candidate's alone (provisional noise: no history yet)
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 84, requests 900, stable_bad 804, stable_requests 8100, evidence 0.2355, harm_at 500, p_value 1, burst 1.5, spread 0.3] (0.32673, 3.236) 900; harm after 34 more of the candidate's alone (provisional noise: no history yet)
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 80, requests 800, stable_bad 760, stable_requests 7200, evidence 0.407, harm_at 500, p_value 1, burst 1.5, spread 0.3] None 800; harm at an evidence of 500 (provisional noise: no history yet)
  slo: suspect, at most 2 % of the candidate's requests may fail [bad 450, requests 900, limit 0.02, at_most 1, evidence 2.188e+87, harm_at 1000] (0.0, 1.0) 900; 27346 more requests without a failure
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 800; nothing: it answers
  share: cleared, the candidate's share of requests is 10 %, give or take 5 % [requests 800, all_requests 8000, share 0.1] None 8000; nothing: the split is right
  plain: suspect, failed requests: at most 5 % in a minute (no error guarantee) [checks 1, failed_checks 1] None 200; harm after 4 more minutes above the limit
  warm-up: harm, while it warms up the candidate must not fail more than 2.2 times as often as stable [bad 450, requests 900, evidence 4.08e+31] None 900; a new version
  risk: undecided, at most 0.241 % of all requests may fail because of the candidate [failed 450, requests 900, excess_at_most 0.9952, allowed 0] (0.0, 0.99519) 900; 26246 more requests without a failure for 15 %
in a storm alone: harm, allowed 0 of 100, share 100.0, 9, of now, harm ('warm-up',)
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 250, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  slow: undecided, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 500, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  latency: undecided, the candidate's durations may be at most 5 % longer than stable's [slower_than 0, bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 500, p_value 1, burst 1.5, spread 0.3] None 0; 100 more requests of stable with their durations, to bet from
  slo: undecided, at most 2 % of the candidate's requests may fail [bad 0, requests 0, limit 0.02, at_most 1, evidence 1, harm_at 1000] None 0; 157 more requests without a failure
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 8000; nothing: it answers
  share: undecided, the candidate's share of requests is 100 %, give or take 0 % [requests 0, all_requests 0, share 0] None 0; requests on both versions
  plain: suspect, failed requests: at most 5 % in a minute (no error guarantee) [checks 1, failed_checks 1] None 2000; harm after 4 more minutes above the limit
  warm-up: harm, while it warms up the candidate must not have more than 20 % of its requests fail [bad 4050, requests 9000, evidence 3.563e+61] None 9000; a new version\
""")


def test_stable_that_breaks_the_limit_too_blames_nobody_and_a_share_that_is_wrong_is_told():
    run = Seen(Environment(guards=ROUTER, held_back=0.05, sticky="cookie"))
    run.scrape(12, bad=20.0, stable_bad=20.0)
    run.tell("both are bad")
    share = Seen(Environment(guards=ROUTER))
    for number in range(1, 13):
        arms = _arm(400, number, 1.0, 0.0), _arm(600, number, 1.0, 0.0)
        share.feed(Increment(number, 10.0 * number, 10.0, 10.0, *arms, BOUNDS))
    share.tell("four times its share")
    assert "\n".join(one.told() for one in (run, share)) == snapshot("""\
both are bad: suspect, allowed 10 of 10, share 10.0, 12, of now, harm ()
  errors: cleared, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 120, requests 1200, stable_bad 1080, stable_requests 10800, evidence 0.2241, harm_at 225, p_value 1, burst 1.5, spread 0.3] (0.39004, 3.1008) 1200; harm after 34 more of the candidate's alone (provisional noise: no history yet)
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 112, requests 1200, stable_bad 1072, stable_requests 10800, evidence 0.217, harm_at 450, p_value 1, burst 1.5, spread 0.3] (0.33096, 2.9366) 1200; harm after 34 more of the candidate's alone (provisional noise: no history yet)
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 108, requests 1100, stable_bad 1028, stable_requests 9900, evidence 0.3977, harm_at 450, p_value 1, burst 1.5, spread 0.3] None 1100; harm at an evidence of 450 (provisional noise: no history yet)
  slo: suspect, at most 2 % of the candidate's requests may fail [bad 120, requests 1200, limit 0.02, at_most 0.2133, evidence 4.809e+07, harm_at 900] (0.0, 0.2133) 1200; stable is above this limit too: waits until it is not
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 1100; nothing: it answers
  share: cleared, the candidate's share of requests is at most 10 %, and 5 % [requests 1100, all_requests 11000, share 0.1] None 11000; nothing: the split is right
  plain: suspect, failed requests: at most 5 % in a minute (no error guarantee) [checks 1, failed_checks 1] None 500; harm after 4 more minutes above the limit
  risk: undecided, at most 5 % of all requests may fail because of the candidate [failed 120, requests 1200, excess_at_most 0.1133, allowed 35] (0.0, 0.1133) 1200; stable is above its own limit: waits until it is not
four times its share: suspect, allowed 10 of 10, share 40.0, 12, of now, harm ()
  errors: cleared, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 24, requests 4800, stable_bad 40, stable_requests 7200, evidence 0.3118, harm_at 225, p_value 1, burst 1.5, spread 0.3] (0.22636, 3.576) 4800; harm after 62 more of the candidate's alone (provisional noise: no history yet)
  slow: cleared, requests slower than 0.5 s of the candidate must be at most 5 % more frequent than stable's [bad 480, requests 4800, stable_bad 720, stable_requests 7200, evidence 0.214, harm_at 450, p_value 1, burst 1.5, spread 0.3] (0.38682, 2.7455) 4800; harm after more than 64 more (provisional noise: no history yet)
  latency: cleared, the candidate's durations may be at most 5 % longer than stable's [slower_than 0.5, bad 460, requests 4400, stable_bad 690, stable_requests 6600, evidence 0.3892, harm_at 450, p_value 1, burst 1.5, spread 0.3] None 4400; harm at an evidence of 450 (provisional noise: no history yet)
  slo: cleared, at most 2 % of the candidate's requests may fail [bad 24, requests 4800, limit 0.02, at_most 0.009506, evidence 0.1882, harm_at 900] (0.0, 0.0095062) 4800; nothing: the limit is kept
  alive: cleared, numbers and answers at least every 60 s, at most 2 restarts [seconds_without_data 0, seconds_without_answer 0, restarts 0] None 4400; nothing: it answers
  share: suspect, the candidate's share of requests is 10 %, give or take 5 % [requests 4400, all_requests 11000, share 0.4] None 11000; look at the router: it does not split as it was told
  plain: cleared, failed requests: at most 5 % in a minute (no error guarantee) [checks 1, failed_checks 0] None 2000; nothing: the last minute was below the limit
  risk: cleared, at most 0.278 % of all requests may fail because of the candidate [failed 24, requests 4800, excess_at_most 0.003951, allowed 50] (0.0, 0.0039506) 4800; nothing: 50 % is allowed\
""")


def test_labels_that_come_late_and_scores():
    guards = (
        Guard("errors", GuardKind.ERRORS),
        Guard("accuracy", GuardKind.LABELS, labels="w.labels", within=600.0, drop=0.01),
        Guard("scores", GuardKind.DRIFT, query="score_bucket"),
    )
    run = Seen(Environment(guards=guards), noise={"accuracy": NOISE})
    run.scrape(12)
    run.tell("no labels yet")
    for cohort in range(10):
        first, end = 100 + 10 * cohort, 150.0 * cohort + 10.0
        rows = (Cohort(end, 40.0, 4.0, 300.0, 24.0), Cohort(end + 5.0, 20.0, 1.0, 100.0, 9.0))
        run.feed(Labelled(first, 10.0 * first, "accuracy", cohorts=rows))
        run.feed(Scored(first + 1, 10.0 * first, "scores", (40.0, 40.0, 20.0), (450.0, 300.0, 250.0)))
        run.feed(Labelled(first + 2, 10.0 * first, "other", cohorts=rows))
        run.number = first + 3
        run.scrape(1)
    run.tell("ripe and unripe")
    assert run.told() == snapshot("""\
no labels yet: undecided, allowed 0 of 10, share 10.0, 12, of now, harm ()
  errors: cleared, failed requests of the candidate must not be more frequent than stable's [bad 4, requests 1200, stable_bad 52, stable_requests 10800, evidence 0.4114, harm_at 150, p_value 1, burst 1.5, spread 0.3] (0.0, 4.4822) 1200; harm after 17 more of the candidate's alone (provisional noise: no history yet)
  accuracy: undecided, wrong answers of the candidate must be at most 1 % of all more than stable's [wrong 0, labels 0, stable_wrong 0, stable_labels 0, waiting 0, evidence 1, harm_at 300, p_value 1] None 0; labels of both versions' answers; an answer's counts 0.166667 h after it
  scores: undecided, no difference of the two versions' scores is proven (advice only) [scores 0, stable_scores 0, distance 0, evidence 1, p_value 1] None 0; scores of both versions
  risk: undecided, at most 1 % of all requests may fail because of the candidate [failed 0, requests 0, excess_at_most 1, allowed 0] None 0; labels for the guard accuracy
ripe and unripe: undecided, allowed 5 of 10, share 10.0, 194, of now, harm ()
  errors: cleared, failed requests of the candidate must not be more frequent than stable's [bad 7, requests 2200, stable_bad 93, stable_requests 19800, evidence 0.3253, harm_at 150, p_value 1, burst 1.5, spread 0.3] (0.0, 2.6712) 2200; harm after 14 more of the candidate's alone (provisional noise: no history yet)
  accuracy: undecided, wrong answers of the candidate must be at most 1 % of all more than stable's [wrong 40, labels 480, stable_wrong 264, stable_labels 3200, waiting 60, evidence 0.2477, harm_at 300, p_value 1] (-0.054818, 0.15317) 480; about 189 more labels without a wrong answer
  scores: undecided, the candidate's scores are distributed differently from stable's (advice only) [scores 1000, stable_scores 10000, distance 0.04349, evidence 1.539e+08, p_value 6.497e-09] None 1000; nothing: it never holds and never clears
  risk: undecided, at most 1 % of all requests may fail because of the candidate [failed 26.667, requests 320, excess_at_most 0.1857, allowed 5] (0.0, 0.18572) 320; 189 more requests without a failure for 15 %\
""")


def test_pairs_in_a_shadow():
    guards = (
        Guard("errors", GuardKind.ERRORS, worse_by=0.1),
        Guard("slow", GuardKind.LATENCY, slower_than=0.5),
        Guard("latency", GuardKind.LATENCY, worse_by=0.1),
        Guard("answers", GuardKind.ANSWERS, limit=0.02, flips=0.1),
        Guard("accuracy", GuardKind.LABELS, labels="w.labels", within=600.0, drop=0.01),
    )
    environment = Environment(strategy=Strategy.SHADOW, shadow=Shadow(60.0, "p.0", "s.0"), guards=guards)
    run = Seen(environment)
    run.tell("nothing yet")
    for number in range(1, 9):
        tallies = (
            Tally("shadow errors", 500.0, 3.0, 2.0, 1.0),
            Tally("shadow slow", 500.0, 10.0, 9.0, 20.0),
            Tally("shadow latency", 500.0, 240.0, 255.0, 5.0),
            Tally("answers", 500.0, 4.0),
        )
        classes = (Classed("stays", 350.0, 3.0), Classed("leaves", 150.0, 12.0))
        run.feed(Paired(2 * number, 10.0 * number, 500.0, 2.0, tallies, classes))
        run.feed(Labelled(2 * number + 1, 10.0 * number, "accuracy", Pairs(100.0, 3.0, 2.0, 5.0)))
    run.tell("alike")
    for number in range(9, 13):
        tallies = (Tally("shadow errors", 500.0, 30.0, 2.0, 1.0), Tally("answers", 500.0, 40.0))
        run.feed(Paired(2 * number, 10.0 * number, 500.0, 20.0, tallies, (Classed("leaves", 150.0, 60.0),)))
    run.tell("worse")
    assert run.told() == snapshot("""\
nothing yet: undecided, allowed 0 of 0, share None, 0, of then, harm ()
  pairs: undecided, at most 10 % of the requests lose their copy [pairs 0, lost 0] None 0; requests to stable, and their copies
  shadow errors: undecided, copies of requests must not fail more often by more than 10 % than the requests themselves [bad 0, requests 0, stable_bad 0, stable_requests 0, only_candidate 0, only_stable 0, evidence 1, harm_at 1700, p_value 1] None 0; pairs
  shadow slow: undecided, copies that take longer than 0.5 s must not be more frequent [bad 0, requests 0, stable_bad 0, stable_requests 0, only_candidate 0, only_stable 0, evidence 1, harm_at 1700, p_value 1] None 0; pairs
  shadow latency: undecided, the candidate must not be slower than stable by more than 10 % on most requests [bad 0, requests 0, stable_bad 0, stable_requests 0, only_candidate 0, only_stable 0, evidence 1, harm_at 1700, p_value 1] None 0; pairs
  answers: undecided, at most 2 % of the answers may differ from stable's [bad 0, requests 0, evidence 1, harm_at 1700, p_value 1] None 0; pairs
  flips: undecided, of no class of stable's may more than 10 % get another answer [bad 0, requests 0, evidence 1, harm_at 1700, p_value 1] None 0; pairs
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 425, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  slow: undecided, requests slower than 0.5 s of the candidate must not be more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 850, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  latency: undecided, the candidate's durations may be at most 10 % longer than stable's [slower_than 0, bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 850, p_value 1, burst 1.5, spread 0.3] None 0; 100 more requests of stable with their durations, to bet from
  accuracy: undecided, wrong answers of the candidate must be at most 1 % of all more than stable's to the same requests [wrong 0, labels 0, stable_wrong 0, stable_labels 0, waiting 0, evidence 1, harm_at 425, p_value 1] None 0; labels of both versions' answers
  scores: undecided, no difference of the two versions' scores is proven (advice only) [scores 0, stable_scores 0, distance 0, evidence 1, p_value 1] None 0; scores of both versions
  risk: undecided, at most 0.1 % of all requests may fail because of the candidate [failed 0, requests 0, excess_at_most 1, allowed 0] None 0; numbers again: none came lately
alike: undecided, allowed 0 of 0, share None, 17, of now, harm ()
  pairs: cleared, at most 10 % of the requests lose their copy [pairs 4000, lost 16] None 4000; nothing: nearly every request has its pair
  shadow errors: undecided, copies of requests must not fail more often by more than 10 % than the requests themselves [bad 32, requests 4000, stable_bad 24, stable_requests 4000, only_candidate 24, only_stable 16, evidence 0.6922, harm_at 1700, p_value 1] (0.0025798, 0.011599) 4000; about 32768 more pairs that are good
  shadow slow: cleared, copies that take longer than 0.5 s must not be more frequent [bad 240, requests 4000, stable_bad 232, stable_requests 4000, only_candidate 80, only_stable 72, evidence 0.3265, harm_at 1700, p_value 1] (0.010605, 0.033769) 4000; nothing: these pairs clear it
  shadow latency: undecided, the candidate must not be slower than stable by more than 10 % on most requests [bad 1960, requests 4000, stable_bad 2080, stable_requests 4000, only_candidate 1920, only_stable 2040, evidence 0.003861, harm_at 1700, p_value 1] (0.28176, 0.75467) 4000; about 32 more pairs that are good
  answers: cleared, at most 2 % of the answers may differ from stable's [bad 32, requests 4000, evidence 0.0107, harm_at 1700, p_value 1] (0.0036908, 0.014802) 4000; nothing: these pairs clear it
  flips: undecided, of no class of stable's may more than 10 % get another answer; most do of leaves: 96 of 1200 [bad 120, requests 4000, evidence 0.3381, harm_at 1700, p_value 1] (0.016457, 0.049484) 4000; about 1024 more pairs that are good
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 425, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  slow: undecided, requests slower than 0.5 s of the candidate must not be more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 850, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  latency: undecided, the candidate's durations may be at most 10 % longer than stable's [slower_than 0, bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 850, p_value 1, burst 1.5, spread 0.3] None 0; 100 more requests of stable with their durations, to bet from
  accuracy: undecided, wrong answers of the candidate must be at most 1 % of all more than stable's to the same requests [wrong 24, labels 800, stable_wrong 16, stable_labels 800, waiting 0, evidence 0.4591, harm_at 425, p_value 1] (-0.023182, 0.056597) 800; about 936 more labels without a wrong answer (provisional noise: no history yet)
  scores: undecided, no difference of the two versions' scores is proven (advice only) [scores 0, stable_scores 0, distance 0, evidence 1, p_value 1] None 0; scores of both versions
  risk: undecided, at most 0.1 % of all requests may fail because of the candidate [failed 0, requests 0, excess_at_most 1, allowed 0] None 0; traffic on the candidate
worse: harm, allowed 0 of 0, share None, 24, of now, harm ('shadow errors', 'flips', 'answers')
  pairs: cleared, at most 10 % of the requests lose their copy [pairs 6000, lost 96] None 6000; nothing: nearly every request has its pair
  shadow errors: harm, copies of requests must not fail more often by more than 10 % than the requests themselves [bad 156, requests 6000, stable_bad 36, stable_requests 6000, only_candidate 144, only_stable 24, evidence 8.321e+16, harm_at 1700, p_value 1.202e-17] (0.014527, 0.0369) 6000; a new version
  shadow slow: cleared, copies that take longer than 0.5 s must not be more frequent [bad 240, requests 4000, stable_bad 232, stable_requests 4000, only_candidate 80, only_stable 72, evidence 0.3265, harm_at 1700, p_value 1] (0.010605, 0.033769) 4000; nothing: these pairs clear it
  shadow latency: undecided, the candidate must not be slower than stable by more than 10 % on most requests [bad 1960, requests 4000, stable_bad 2080, stable_requests 4000, only_candidate 1920, only_stable 2040, evidence 0.003861, harm_at 1700, p_value 1] (0.28176, 0.75467) 4000; about 32 more pairs that are good
  answers: harm, at most 2 % of the answers may differ from stable's [bad 192, requests 6000, evidence 1.158e+07, harm_at 1700, p_value 8.633e-08] (0.019711, 0.048568) 6000; a new version
  flips: harm, of no class of stable's may more than 10 % get another answer; most do of leaves: 336 of 1800 [bad 360, requests 4600, evidence 1.514e+25, harm_at 1700, p_value 6.607e-26] (0.046614, 0.12175) 4600; a new version
  errors: undecided, failed requests of the candidate must be at most 10 % more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 425, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  slow: undecided, requests slower than 0.5 s of the candidate must not be more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 850, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  latency: undecided, the candidate's durations may be at most 10 % longer than stable's [slower_than 0, bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 850, p_value 1, burst 1.5, spread 0.3] None 0; 100 more requests of stable with their durations, to bet from
  accuracy: undecided, wrong answers of the candidate must be at most 1 % of all more than stable's to the same requests [wrong 24, labels 800, stable_wrong 16, stable_labels 800, waiting 0, evidence 0.4591, harm_at 425, p_value 1] (-0.023182, 0.056597) 800; about 936 more labels without a wrong answer (provisional noise: no history yet)
  scores: undecided, no difference of the two versions' scores is proven (advice only) [scores 0, stable_scores 0, distance 0, evidence 1, p_value 1] None 0; scores of both versions
  risk: undecided, at most 0.1 % of all requests may fail because of the candidate [failed 0, requests 0, excess_at_most 1, allowed 0] None 0; traffic on the candidate\
""")


def test_counters_of_a_source_by_segments():
    split = Split(most=2, least=0.05, risk=0.02)
    guards = (
        Guard("errors", GuardKind.ERRORS, segments=("country",), split=split),
        Guard("lost", GuardKind.QUERY, query="lost_total", of="asked_total", worse_by=0.1),
        Guard("right", GuardKind.QUERY, query="right_total", of="asked_total", drop=0.02, segments=("country",)),
        Guard(
            "found", GuardKind.QUERY, query="found_total", of="asked_total", limit=0.9,
            comparison=Comparison.AT_LEAST,
        ),
        Guard("depth", GuardKind.QUERY, query="depth_bucket", worse_by=0.1),
    )  # fmt: skip
    run = Seen(Environment(guards=guards), noise={"right": NOISE})
    run.feed(Counted(1, 5.0, 10.0, 10.0, "lost", (Row("", Arm(100.0, 1.0), Arm(900.0, 9.0)),)))
    run.tell("too early")
    for look in range(25):
        run.number = 10 * look + 1
        run.scrape(1)
        at = run.state.at
        for place, (guard, bad) in enumerate(
            (("errors", 0.01), ("lost", 0.02), ("right", 0.1), ("found", 0.05))
        ):
            rows = _rows(look, bad, hurt="tr" if guard == "errors" else "")
            run.feed(Counted(10 * look + 3 + place, at, 10.0, 10.0, guard, rows))
        buckets = Arm(100.0, 0.0, (50.0, 40.0, 10.0)), Arm(900.0, 0.0, (460.0, 350.0, 90.0))
        run.feed(Counted(10 * look + 8, at, 10.0, 10.0, "depth", (Row("", *buckets),), (1.0, 10.0)))
        if look in {1, 24}:
            run.tell(f"after {look + 1} looks")
    run.feed(Counted(300, 251.0, 10.0, 10.0, "lost", gap="the source is away"))
    run.tell("without a source")
    assert run.told() == snapshot("""\
too early: undecided, allowed 0 of 0, share None, 1, of now, harm ()
  errors: undecided, failed requests of the candidate must not be more frequent than stable's [bad 0, requests 0, stable_bad 0, stable_requests 0, evidence 1, harm_at 600, p_value 1, burst 1.5, spread 0.3] None 0; requests on both versions
  errors: undecided, failed requests of the candidate must not be more frequent than stable's [] None 0; numbers: none came yet
  lost: undecided, lost_total of the candidate must be at most 10 % more frequent than stable's [] None 0; numbers: none came yet
  right: undecided, things missing from right_total of the candidate must be at most 2 % of all more than stable's [] None 0; numbers: none came yet
  found: undecided, at most 10 % may be things missing from found_total [] None 0; numbers: none came yet
  depth: undecided, depth_bucket of the candidate may at most 10 % be longer than stable's [] None 0; numbers: none came yet
  risk: undecided, at most 0.1 % of all requests may fail because of the candidate [failed 0, requests 0, excess_at_most 1, allowed 0] None 0; traffic on the candidate
after 2 looks: suspect, allowed 2 of 10, share 10.0, 18, of now, harm ()
  errors: undecided, failed requests of the candidate must not be more frequent than stable's [bad 1, requests 200, stable_bad 11, stable_requests 1800, evidence 0.6751, harm_at 600, p_value 1, burst 1.5, spread 0.3] (0.0, 12.863) 200; harm after 13 more of the candidate's alone (provisional noise: no history yet)
  errors in country=(others): suspect, failed requests of the candidate in country=(others) must not be more frequent than stable's [bad 7, requests 80, stable_bad 8, stable_requests 720, evidence 12.93, harm_at 1800, p_value 0.07733] (0.85914, 67.796) 80; 118 more requests to the candidate in country=(others), none of them bad, for 15 %
  errors in country=fr: cleared, failed requests of the candidate in country=fr must not be more frequent than stable's [bad 1, requests 120, stable_bad 11, stable_requests 1080, evidence 0.6736, harm_at 1800, p_value 1] (0.0, 12.863) 120; nothing: 35 % is allowed
  errors in country=de: cleared, failed requests of the candidate in country=de must not be more frequent than stable's [bad 2, requests 200, stable_bad 18, stable_requests 1800, evidence 0.6604, harm_at 1800, p_value 1] (0.0, 9.5684) 200; nothing: 35 % is allowed
  lost: cleared, lost_total of the candidate must be at most 10 % more frequent than stable's [bad 8, requests 400, stable_bad 71, stable_requests 3600, evidence 0.4614, harm_at 600, p_value 1] (0.1375, 5.0582) 400; nothing: 20 % is allowed
  right: undecided, things missing from right_total of the candidate must be at most 2 % of all more than stable's [bad 40, requests 400, stable_bad 359, stable_requests 3600, evidence 0.2906, harm_at 1200, p_value 1] None 400; 91 more requests to the candidate, none of them bad, for 15 %
  right in country=li: undecided, things missing from right_total of the candidate in country=li must be at most 2 % of all more than stable's [bad 1, requests 8, stable_bad 7, stable_requests 72, evidence 0.7921, harm_at 13200, p_value 1] None 8; 44 more requests to the candidate in country=li, none of them bad, for 15 %
  right in country=tr: undecided, things missing from right_total of the candidate in country=tr must be at most 2 % of all more than stable's [bad 7, requests 72, stable_bad 64, stable_requests 648, evidence 0.4481, harm_at 13200, p_value 1] None 72; 13 more requests to the candidate in country=tr, none of them bad, for 15 %
  right in country=fr: undecided, things missing from right_total of the candidate in country=fr must be at most 2 % of all more than stable's [bad 12, requests 120, stable_bad 108, stable_requests 1080, evidence 0.3925, harm_at 13200, p_value 1] None 120; 9 more requests to the candidate in country=fr, none of them bad, for 15 %
  right in country=de: cleared, things missing from right_total of the candidate in country=de must be at most 2 % of all more than stable's [bad 20, requests 200, stable_bad 180, stable_requests 1800, evidence 0.3436, harm_at 13200, p_value 1] None 200; nothing: 15 % is allowed
  found: undecided, at most 10 % may be things missing from found_total [bad 20, requests 400, limit 0.1, at_most 0.1542, evidence 0.2426, harm_at 600, p_value 1] None 400; 165 more of which none is bad
  depth: undecided, depth_bucket of the candidate may at most 10 % be longer than stable's [bad 10, requests 100, stable_bad 90, stable_requests 900, evidence 0.6105, harm_at 600, p_value 1] None 100; 5 more requests to the candidate, none of them bad, for 15 %
  risk: undecided, at most 2 % of all requests may fail because of the candidate [failed 0.66667, requests 5.3333, excess_at_most 1, allowed 2] (0.0, 1.0) 5; more requests for the guard errors in country=(others)
after 25 looks: harm, allowed 0 of 10, share 10.0, 248, of now, harm ('errors in country=(others)',)
  errors: cleared, failed requests of the candidate must not be more frequent than stable's [bad 8, requests 2500, stable_bad 106, stable_requests 22500, evidence 0.3089, harm_at 600, p_value 1, burst 1.5, spread 0.3] (0.0, 2.4199) 2500; harm after 15 more of the candidate's alone (provisional noise: no history yet)
  errors in country=(others): harm, failed requests of the candidate in country=(others) must not be more frequent than stable's [bad 86, requests 1000, stable_bad 98, stable_requests 9000, evidence 3.912e+18, harm_at 1800, p_value 2.556e-19] (3.5995, 15.898) 1000; a new version
  errors in country=de: cleared, failed requests of the candidate in country=de must not be more frequent than stable's [bad 25, requests 2500, stable_bad 221, stable_requests 22500, evidence 0.3559, harm_at 1800, p_value 1] (0.37224, 2.4855) 2500; nothing: 100 % is allowed
  errors in country=fr: cleared, failed requests of the candidate in country=fr must not be more frequent than stable's [bad 12, requests 1500, stable_bad 135, stable_requests 13500, evidence 0.3127, harm_at 1800, p_value 1] (0.18893, 2.4403) 1500; nothing: 100 % is allowed
  lost: cleared, lost_total of the candidate must be at most 10 % more frequent than stable's [bad 98, requests 5000, stable_bad 873, stable_requests 45000, evidence 0.2068, harm_at 600, p_value 1] (0.55969, 1.8908) 5000; nothing: 75 % is allowed
  right: cleared, things missing from right_total of the candidate must be at most 2 % of all more than stable's [bad 492, requests 5000, stable_bad 4415, stable_requests 45000, evidence 0.0935, harm_at 1200, p_value 1] None 5000; nothing: 25 % is allowed
  right in country=li: undecided, things missing from right_total of the candidate in country=li must be at most 2 % of all more than stable's [bad 12, requests 100, stable_bad 86, stable_requests 900, evidence 0.4452, harm_at 13200, p_value 1] None 100; 26 more requests to the candidate in country=li, none of them bad, for 15 %
  right in country=tr: cleared, things missing from right_total of the candidate in country=tr must be at most 2 % of all more than stable's [bad 86, requests 900, stable_bad 787, stable_requests 8100, evidence 0.1487, harm_at 13200, p_value 1] None 900; nothing: 25 % is allowed
  right in country=fr: cleared, things missing from right_total of the candidate in country=fr must be at most 2 % of all more than stable's [bad 148, requests 1500, stable_bad 1328, stable_requests 13500, evidence 0.1274, harm_at 13200, p_value 1] None 1500; nothing: 35 % is allowed
  right in country=de: cleared, things missing from right_total of the candidate in country=de must be at most 2 % of all more than stable's [bad 246, requests 2500, stable_bad 2214, stable_requests 22500, evidence 0.1083, harm_at 13200, p_value 1] None 2500; nothing: 50 % is allowed
  found: cleared, at most 10 % may be things missing from found_total [bad 246, requests 5000, limit 0.1, at_most 0.07615, evidence 0.1758, harm_at 600, p_value 1] None 5000; nothing: the limit is kept
  depth: cleared, depth_bucket of the candidate may at most 10 % be longer than stable's [bad 240, requests 2400, stable_bad 2160, stable_requests 21600, evidence 0.3491, harm_at 600, p_value 1] None 2400; nothing: 50 % is allowed
  risk: undecided, at most 4.78 % of all requests may fail because of the candidate [failed 8, requests 66.667, excess_at_most 0.5178, allowed 7.5] (0.0, 0.51778) 66; more requests for the guard errors in country=(others)
without a source: harm, allowed 0 of 10, share 10.0, 300, of now, harm ('errors in country=(others)',)
  errors: cleared, failed requests of the candidate must not be more frequent than stable's [bad 8, requests 2500, stable_bad 106, stable_requests 22500, evidence 0.3089, harm_at 600, p_value 1, burst 1.5, spread 0.3] (0.0, 2.4199) 2500; harm after 15 more of the candidate's alone (provisional noise: no history yet)
  errors in country=(others): harm, failed requests of the candidate in country=(others) must not be more frequent than stable's [bad 86, requests 1000, stable_bad 98, stable_requests 9000, evidence 3.912e+18, harm_at 1800, p_value 2.556e-19] (3.5995, 15.898) 1000; a new version
  errors in country=de: cleared, failed requests of the candidate in country=de must not be more frequent than stable's [bad 25, requests 2500, stable_bad 221, stable_requests 22500, evidence 0.3559, harm_at 1800, p_value 1] (0.37224, 2.4855) 2500; nothing: 100 % is allowed
  errors in country=fr: cleared, failed requests of the candidate in country=fr must not be more frequent than stable's [bad 12, requests 1500, stable_bad 135, stable_requests 13500, evidence 0.3127, harm_at 1800, p_value 1] (0.18893, 2.4403) 1500; nothing: 100 % is allowed
  lost: undecided, lost_total of the candidate must be at most 10 % more frequent than stable's [bad 98, requests 5000, stable_bad 873, stable_requests 45000, evidence 0.2068, harm_at 600, p_value 1] (0.55969, 1.8908) 5000; numbers again: the source is away
  right: cleared, things missing from right_total of the candidate must be at most 2 % of all more than stable's [bad 492, requests 5000, stable_bad 4415, stable_requests 45000, evidence 0.0935, harm_at 1200, p_value 1] None 5000; nothing: 25 % is allowed
  right in country=li: undecided, things missing from right_total of the candidate in country=li must be at most 2 % of all more than stable's [bad 12, requests 100, stable_bad 86, stable_requests 900, evidence 0.4452, harm_at 13200, p_value 1] None 100; 26 more requests to the candidate in country=li, none of them bad, for 15 %
  right in country=tr: cleared, things missing from right_total of the candidate in country=tr must be at most 2 % of all more than stable's [bad 86, requests 900, stable_bad 787, stable_requests 8100, evidence 0.1487, harm_at 13200, p_value 1] None 900; nothing: 25 % is allowed
  right in country=fr: cleared, things missing from right_total of the candidate in country=fr must be at most 2 % of all more than stable's [bad 148, requests 1500, stable_bad 1328, stable_requests 13500, evidence 0.1274, harm_at 13200, p_value 1] None 1500; nothing: 35 % is allowed
  right in country=de: cleared, things missing from right_total of the candidate in country=de must be at most 2 % of all more than stable's [bad 246, requests 2500, stable_bad 2214, stable_requests 22500, evidence 0.1083, harm_at 13200, p_value 1] None 2500; nothing: 50 % is allowed
  found: cleared, at most 10 % may be things missing from found_total [bad 246, requests 5000, limit 0.1, at_most 0.07615, evidence 0.1758, harm_at 600, p_value 1] None 5000; nothing: the limit is kept
  depth: cleared, depth_bucket of the candidate may at most 10 % be longer than stable's [bad 240, requests 2400, stable_bad 2160, stable_requests 21600, evidence 0.3491, harm_at 600, p_value 1] None 2400; nothing: 50 % is allowed
  risk: undecided, at most 4.78 % of all requests may fail because of the candidate [failed 8, requests 66.667, excess_at_most 0.5178, allowed 7.5] (0.0, 0.51778) 66; more requests for the guard errors in country=(others)\
""")


def _rows(look, bad, hurt):
    """Three countries and one that is rare; in the one that is hurt the candidate fails ten times as often."""
    rows = []
    for country, share in (("de", 0.5), ("fr", 0.3), ("tr", 0.18), ("li", 0.02)):
        times = 10.0 if country == hurt else 1.0
        mine, theirs = 200.0 * share, 1800.0 * share
        wave = (0.6, 1.4)[look % 2]
        arms = Arm(mine, round(min(mine, mine * bad * times * wave))), Arm(theirs, round(theirs * bad * wave))
        rows.append(Row(f"country={country}", *arms))
    whole = (
        Arm(sum(getattr(r, side).requests for r in rows), sum(getattr(r, side).errors for r in rows))
        for side in ("candidate", "stable")
    )
    return (Row("", *whole), *rows)
