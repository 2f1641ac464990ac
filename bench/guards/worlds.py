"""The worlds in which guards are held against one another. No constant of a guard was chosen by them.

Nothing here is fitted: rates, waves, noise and seeds are other ones than those with which the guards were
designed. Luck of pods walks and returns (the guards' own model has it stand still for five minutes), and
bunches of failures have another size.
"""

from dataclasses import dataclass, replace

from service.worlds.latency import Latency
from service.worlds.traffic import World

HORIZON = 7200.0
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # Prometheus clients' own


@dataclass(frozen=True, slots=True)
class Case:
    """A world with a name; `most` is the share of false rollbacks allowed where the candidate is equal.

    `climbs`: the weight climbs from 1 % to 60 % by the clock, else it is 10 %. `learned`: whether `most`
    is meant for guards that know four hours of noise. `often`: played once more with a look each second,
    where much comes between two looks.
    """

    name: str
    world: World
    most: float | None = None
    learned: bool = False
    climbs: bool = False
    often: bool = False


EQUAL = (
    Case("iid, 12/s", World(12, 0.003), 0.01),
    Case("iid, 150/s", World(150, 0.003), 0.01),
    Case("iid, 800/s", World(800, 0.0007), 0.01),
    Case("diurnal", World(150, 0.003, waves=0.6), 0.01),
    Case("incident", World(150, 0.003, waves=0.3, incident=12, incident_seconds=540), 0.01),
    Case("ramping", World(150, 0.003, rising=6), 0.01, climbs=True),
    Case("bursts", World(150, 0.003, bursts=2.5), 0.015, learned=True),
    Case("pod noise", World(150, 0.003, luck=0.35, luck_seconds=200), 0.015, learned=True),
    Case("strong pod noise", World(150, 0.003, luck=0.6, luck_seconds=300), 0.015, learned=True),
    Case("cold start", World(150, 0.003, cold=4, cold_seconds=200)),
)
PLAIN = Latency()
ONE_KIND = Latency.like(median=0.1, p99=0.32)
WORSE = (
    Case("errors 0.1 -> 0.2 %, 100/s", World(100, 0.001, worse=2)),
    Case("errors 0.1 -> 0.2 %, 1000/s", World(1000, 0.001, worse=2), often=True),
    Case("errors 0.5 -> 1 %, 100/s", World(100, 0.005, worse=2)),
    Case("errors 0.1 -> 5 %, 100/s", World(100, 0.001, worse=50)),
    Case(
        "latency +10 %, one kind of requests, 100/s",
        World(100, 0.001, latency=ONE_KIND, slower=replace(ONE_KIND, slower=1.1)),
    ),
    Case(
        "p99 doubled, one kind of requests, 100/s",
        World(100, 0.001, latency=ONE_KIND, slower=replace(ONE_KIND, tail=2.0)),
    ),
    Case("latency +10 %, 100/s", World(100, 0.001, slower=replace(PLAIN, slower=1.1))),
    Case("p99 doubled, 100/s", World(100, 0.001, slower=replace(PLAIN, tail=2.0))),
    Case("late onset: 0.1 -> 0.5 % after 40 min, 100/s", World(100, 0.001, worse=5, onset=2400)),
    Case("errors 0.3 -> 0.6 % in bursts, 150/s", World(150, 0.003, bursts=2.5, worse=2)),
    Case(
        "errors 0.3 -> 1.2 % in strong pod noise, 150/s",
        World(150, 0.003, luck=0.6, luck_seconds=300, worse=4),
    ),
)
