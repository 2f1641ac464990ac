"""What workers and the observer count about themselves, for the `/metrics` of their small ports."""

from prometheus_client import Counter, Histogram

WORK = Counter("segue_work", "Work that was taken, by kind and by what came of it", ["kind", "result"])
WORK_SECONDS = Histogram(
    "segue_work_seconds",
    "Time that work took, by kind",
    ["kind"],
    buckets=(0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 30.0),
)
WAITED_SECONDS = Histogram(
    "segue_work_waited_seconds",
    "Time from when work was due until it was taken, by kind",
    ["kind"],
    buckets=(0.02, 0.1, 0.5, 2.0, 10.0, 60.0),
)
DRIFTS = Counter("segue_drifts", "Changes that somebody else made of what a target serves", ["target"])
OVERRIDES = Counter("segue_overrides", "Releases that an admin let go on against their rules", ["target"])
SCRAPES = Counter("segue_scrapes", "Readings of the router's counters, by what came of them", ["result"])
VERDICTS = Counter("segue_verdicts", "Verdicts that were told to the engine", ["verdict"])
