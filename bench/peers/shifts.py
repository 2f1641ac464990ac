"""What changing weights costs: requests lost among 100,000 during 100 changes, and calls for each change.

Run from the repository's root: `python -m bench.peers.shifts [--json] [--requests 100000] [--changes 100]
[--rate 400] [--throttle 2s] [--existing]`, with SEGUE_TEST_KUBECONFIG naming a cluster of this machine.

Two versions of a small application are started by Segue's adapter as Deployments of its own, two pods in
all; an HTTPRoute of Segue's own, or with `--existing` one that was there before, splits the requests
between them, and a real Traefik serves it. Each change is written and confirmed as a release does it. A
request is lost where no version answered it: no answer at all, or an error of the proxy's own.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.peers import building, objects
from bench.peers.contestants import in_namespace
from bench.peers.plane import ACCOUNT, GATEWAY, NAMESPACE, Plane, plane
from bench.report import Row, report
from policies.place import Place
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.jobs import Limits
from service.ports.traffic import Backend, Route
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster import audit, logins
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.load import Load
from tests.cluster.local import around
from tests.cluster.registries import registry_of
from tests.running import wait_until

WHERE, TARGET, HOST = "segue-peers-shifts", "app/production", "app.test"
WEIGHTS = (0.01, 1.0, 5.0, 25.0, 50.0, 100.0, 75.0, 10.0, 0.0)
_READY_SECONDS = 90


@dataclass(frozen=True, slots=True)
class World:
    """Two versions that run, the router between them, and where requests go."""

    backends: tuple[str, str]
    router: GatewayRouter
    url: str
    log: Path

    def split(self, weight: float, attempt: int) -> Route:
        """So many percent for the second version."""
        shares = zip(self.backends, (100.0 - weight, weight), strict=True)
        backends = tuple(Backend(name, f"http://{name}.svc:{objects.PORT}", share) for name, share in shares)
        return Route(TARGET, 1, backends, attempt=attempt)

    def calls(self) -> int:
        """Calls of the API server so far."""
        return len(audit.calls(self.log, NAMESPACE, ACCOUNT))


def main() -> int:
    """Change weights under load; the exit code is 1 where a request was lost."""
    given = _arguments()
    kubectl = Kubectl(Path(os.environ["SEGUE_TEST_KUBECONFIG"]))
    with (
        tempfile.TemporaryDirectory(prefix="segue-shifts-") as folder,
        plane(kubectl, Path(folder), given.throttle) as shared,
        _world(kubectl, shared, Path(folder), given) as world,
    ):
        return _measured(world, given)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.shifts", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=400.0)
    parser.add_argument(
        "--throttle", default="2s", help="for how long Traefik gathers changes; 2s is its own"
    )
    parser.add_argument("--existing", action="store_true", help="a route that was there before")
    return parser.parse_args()


def _measured(world: World, given: argparse.Namespace) -> int:
    pause, taken = given.requests / given.rate / given.changes, []
    with Load(world.url, {"Host": HOST}, rate=given.rate, path="/", workers=16) as load:
        before = world.calls()
        for number, weight in zip(range(given.changes), itertools.cycle(WEIGHTS), strict=False):
            begun = time.monotonic()
            world.router.set(world.split(weight, number + 1))
            taken.append(time.monotonic() - begun)
            _until(load, pause * (number + 1))
        calls = world.calls() - before
        _until(load, given.requests / given.rate)
    lost, counts = load.lost(), load.counts()
    print(load.story(), file=sys.stderr, end="")
    share = sum(number for (version, _), number in counts.items() if version == "2") / len(load.answers)
    rows = [
        Row("requests lost", (float(len(lost)),), 1.0, f"of {len(load.answers):,}"),
        Row("a change, written and confirmed", tuple(taken), 5.0, "s", held=False),
        Row("calls of the API server", (calls / given.changes,), 10.0, "for each change", held=False),
    ]
    kind = "a route that was there" if given.existing else "a route of Segue's own"
    notes = [
        f"{given.changes} changes at {given.rate:g} requests/s, {kind}",
        f"Traefik gathers changes for {given.throttle}",
        f"the second version answered {share:.1%}; the load was at most {load.behind:.2f} s late",
        f"load average {', '.join(f'{one:.1f}' for one in os.getloadavg())}",
    ]
    report("Requests while weights change", rows, notes)
    return int(bool(lost))


def _until(load: Load, seconds: float) -> None:
    time.sleep(max(0.0, seconds - load.now()))


@contextmanager
def _world(kubectl: Kubectl, shared: Plane, folder: Path, given: argparse.Namespace) -> Iterator[World]:
    registry = Images(around.home().parent, registry_of(kubectl))
    login = logins.kubeconfig(kubectl, NAMESPACE, folder / "login.conf")
    cluster = Cluster("shifts", str(login), namespace=WHERE, gateway=f"{NAMESPACE}/{GATEWAY}", owner="shifts")
    with in_namespace(kubectl, WHERE):
        kubectl.apply(objects.namespace(WHERE))
        workloads = KubernetesWorkloads(Api.of(cluster), cluster, Place("shifts", WHERE))
        backends = tuple(f"app-production-{version}.{WHERE}" for version in "12")
        for version, name in zip("12", backends, strict=True):
            image = registry.program("peers-app", building.application(version), "app")
            limits = Limits(cpu=0.1, memory=64 << 20, seconds=0)
            workloads.start(WorkloadOrder(name, image, (), objects.PORT, limits, "/ready", TARGET))
        for name in backends:
            wait_until(lambda name=name: isinstance(workloads.state(name), Serving), _READY_SECONDS)
        place = Place("shifts", WHERE)
        if given.existing:
            kubectl.apply(objects.route(WHERE, HOST, "app-production-1", objects.PORT))
            place = Place("shifts", WHERE, "app", f"{WHERE}/{objects.APP}")
        world = World(
            backends,
            GatewayRouter(Api.of(cluster), cluster, place),
            shared.url if given.existing else f"{shared.url}/{TARGET}",
            audit.log_of(kubectl.kubeconfig),
        )
        world.router.set(world.split(0.0, 0))
        wait_until(lambda: requests.get(world.url, headers={"Host": HOST}, timeout=5).ok, _READY_SECONDS)
        yield world


if __name__ == "__main__":
    sys.exit(main())
