"""What Segue's own processes take of a processor while a rollout is judged, in a whole installation.

Run from the repository's root: `python bench/spent.py [--json]`; about two minutes. A tiny model serves
100 requests a second through the router; a second version of it has 10 % of them and waits there. Counted
are `segue up`, its children and its broker, not the router and the models.
"""

import sys
import time

import psutil

from bench.installed import Installation, installation
from bench.report import Row, report
from bench.repository import Repository
from bench.rollback import DECLARED, Prober, address_of, push
from bench.up import TICKS, family, named, processes, ticks
from service.client import Client, client_of

LIMIT = 14.0  # milliseconds of processor time for each second of a rollout
ROUNDS, SPAN, PATIENCE = 3, 30.0, 60.0
CALM = 3.0  # seconds after the weight moved
WAITING = DECLARED.replace(b"dwell: 5s", b"dwell: 10m")


def main() -> int:
    """One rollout, looked at several times."""
    with installation() as place:
        place.start()
        repository = Repository(place.settings.home.parent)
        place.segue("connect", "git", str(repository.bare))
        api = client_of(place.settings)
        push(repository, "one", 200, DECLARED)
        _until(api, 1, final=True)
        with Prober(address_of(api)):
            push(repository, "two", 200, WAITING)
            _until(api, 2, final=False)
            time.sleep(CALM)
            spans = [spent(place) for _ in range(ROUNDS)]
    names = list(spans[0])
    rows = [Row("all processes", tuple(sum(one.values()) for one in spans), LIMIT, "ms/s")]
    notes = [f"{name:<20}" + "".join(f"{one[name]:8.2f}" for one in spans) for name in names]
    return report("processor time for each second of a rollout", rows, notes)


def _until(api: Client, number: int, *, final: bool) -> None:
    """Wait until the release of that number has ended, or has its first share of the requests."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = api.releases().page().rows
        if len(found) >= number and (found[0]["final"] if final else found[0]["observed"] > 0):
            return
        time.sleep(0.2)
    raise TimeoutError(f"release {number} did not come that far within {PATIENCE:g} s: {found[:1]}")


def spent(place: Installation) -> dict[str, float]:
    """Milliseconds of processor time for each second of a span, by process."""
    members = {one.pid: named(one) for one in _own(place)}
    before = {pid: ticks(pid) for pid in members}
    began = time.monotonic()
    time.sleep(SPAN)
    seconds = time.monotonic() - began
    return {name: (ticks(pid) - before[pid]) / TICKS / seconds * 1e3 for pid, name in members.items()}


def _own(place: Installation) -> list[psutil.Process]:
    """Segue's processes and its broker's."""
    assert place.process is not None
    broker = [one for one in processes(place) if one.name() == "valkey-server"]
    return [*family(psutil.Process(place.process.pid)), *broker]


if __name__ == "__main__":
    sys.exit(main())
