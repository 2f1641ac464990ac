"""The three: each gets the application running as it wants it, and tells how a rollout goes there."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from bench.peers import controllers, objects
from bench.peers.objects import APP, Rule
from bench.peers.plane import GATEWAY, NAMESPACE, Plane
from bench.peers.trial import Trial
from bench.up import family, named
from service.adapters.kubernetes.kinds import HTTP_ROUTE, Kind
from service.machine import installation
from service.store.store import Store
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.load import Load
from tests.cluster.whole import Control, tag
from tests.running import wait_until

_TRAEFIK_SERVICE = Kind("traefik.io/v1alpha1", "traefikservices")
_READY_SECONDS = 150
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """What all of them share. `images` are the application's, by version; `login`: as whom they act;
    `scrape`: seconds between two of Segue's looks at the counters."""

    kubectl: Kubectl
    plane: Plane
    folder: Path
    registry: Images
    images: dict[str, str]
    login: Path
    scrape: float = 1.0


@contextmanager
def argo(stage: Stage, rule: Rule, version: str) -> Iterator[Trial]:
    """Argo Rollouts with its own support of Traefik: its plugin for Gateway API is no published module."""
    kubectl, where, host = stage.kubectl, "segue-peers-argo", "argo.test"
    with controllers.argo(kubectl, stage.login, stage.folder) as pid, in_namespace(kubectl, where):
        kubectl.apply(*objects.argo(where, host, stage.images["1"], stage.plane.prometheus, rule))
        look = _looking(kubectl, where, "rollout")
        wait_until(lambda: look().get("phase") == "Healthy", _READY_SECONDS)
        stable = look().get("stableRS")

        def ended() -> str | None:
            status = look()
            if status.get("phase") == "Degraded":
                return "rolled back"
            return "promoted" if status.get("stableRS") != stable else None

        yield Trial(
            "Argo Rollouts", host, _TRAEFIK_SERVICE, where, APP, stage.images[version], _of_service,
            _changing(kubectl, where, "rollout", stage.images[version]), ended, (pid,),
        )  # fmt: skip


@contextmanager
def flagger(stage: Stage, rule: Rule, version: str) -> Iterator[Trial]:
    """Flagger with Gateway API."""
    kubectl, where, host = stage.kubectl, "segue-peers-flagger", "flagger.test"
    started = controllers.flagger(kubectl, stage.login, stage.folder, stage.plane.prometheus)
    with started as pid, in_namespace(kubectl, where):
        kubectl.apply(*objects.flagger(where, host, stage.images["1"], stage.plane.prometheus, rule))
        look = _looking(kubectl, where, "canary")
        wait_until(lambda: look().get("phase") == "Initialized", _READY_SECONDS)
        words = {"Failed": "rolled back", "Succeeded": "promoted"}
        yield Trial(
            "Flagger", host, HTTP_ROUTE, where, APP, stage.images[version],
            _share(lambda name: name == f"{APP}-canary"),
            _changing(kubectl, where, "deployment", stage.images[version]),
            lambda: words.get(str(look().get("phase"))), (pid,),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gateway:
    """The shared gateway, as a connection to the cluster names it."""

    reference: tuple[str, str]
    url: str
    metrics: str


# Peers begin with their own objects in place, Segue with a service that it took over by an earlier release.
QUICK = "risk: 2%\nladder: [10%, 30%, 60%, 100%]\ndwell: 2s\nwarm_up: 0s\nwatch: 5s\n"
DECLARED = """\
name: app
image: {image}:main-*
deployment: {where}/app
route: {where}/app
"""


@contextmanager
def segue(stage: Stage, rule: Rule, version: str) -> Iterator[Trial]:
    """Segue, with a Deployment taken over and everything else as it is by default; no rule is needed."""
    del rule
    kubectl, where, host = stage.kubectl, "segue-peers-segue", "segue.test"
    gateway = Gateway((NAMESPACE, GATEWAY), stage.plane.url, stage.plane.metrics)
    repository = push(stage.images["0"])
    # The sweep is the default's; `Control` itself looks more often.
    often = {"SEGUE_SWEEP_SECONDS": "30", "SEGUE_SCRAPE_SECONDS": f"{stage.scrape:g}"}
    control = Control(stage.folder / "segue", stage.login, where, stage.registry, gateway, **often)
    with in_namespace(kubectl, where):
        kubectl.apply(objects.namespace(where), objects.deployment(where, stage.images["0"]))
        kubectl.apply(objects.service(where), objects.route(where, host))
        kubectl.rolled_out(where, APP)
        with control:
            control.say("connect", "registry", f"http://{stage.registry.registry}", "--name", "images")
            declared = DECLARED.format(image=repository, where=where)
            ended = _final(control)
            control.declare(declared + QUICK)
            wait_until(lambda: control.client.models().page().rows, _READY_SECONDS)
            notify(
                control
            )  # what is there before it is looked at for the first time is learned, not released
            wait_until(lambda: Store.open(control.settings.store_url("engine")).cursors("images"))
            _moved(control, stage.images["1"])
            with Load(stage.plane.url, {"Host": host}, path="/"):  # nothing is promoted that nobody used
                wait_until(lambda: ended() == "promoted", _READY_SECONDS + 15 * stage.scrape)
            commit = control.declare(declared)
            wait_until(lambda: control.client.models().page().rows[0]["commit"] == commit, _READY_SECONDS)
            stable = _serving(kubectl.get("httproute", APP, "-n", where))
            members = _processes(control)
            yield Trial(
                "Segue", host, HTTP_ROUTE, where, APP, stage.images[version],
                _share(lambda name: name not in stable),
                lambda: _moved(control, stage.images[version]), _final(control), tuple(members), members,
            )  # fmt: skip


def push(image: str) -> str:
    """Let the newest tag mean this image, as CI would; the repository."""
    return tag(image, f"main-{time.time():.0f}")


def _moved(control: Control, image: str) -> None:
    """A tag is pushed, and the registry notifies as Distribution does where it was told to."""
    push(image)
    notify(control)


def notify(control: Control) -> None:
    secret = (control.place.home / "secrets" / "hook-images").read_text().strip()
    pushed = {"id": uuid.uuid4().hex, "action": "push", "target": {"repository": "app", "tag": "main"}}
    address = f"{installation.place(control.settings).intake}/hooks/images"
    told = requests.post(
        address, json={"events": [pushed]}, headers={"Authorization": f"Bearer {secret}"}, timeout=10
    )
    told.raise_for_status()


def _final(control: Control) -> Callable[[], str | None]:
    """How a release after the present ones ended.

    Read from the store: none of Segue's processes works for our looking, as none of the peers' does.
    """
    store = Store.open(control.settings.store_url("engine"))
    known = {row.id for row in store.releases()}

    def look() -> str | None:
        newest = [row for row in store.releases(limit=1) if row.id not in known]
        return str(newest[0].phase) if newest and newest[0].final else None

    return look


def _processes(control: Control) -> dict[int, str]:
    """`segue up`, all that it started, and its broker; not its own router, which serves nobody here."""
    up = psutil.Process(control.pid("up"))
    ours = {one.pid: named(one) for one in family(up)}
    broker = control.pid("valkey")
    return ours | ({broker: "valkey"} if broker else {})


@contextmanager
def in_namespace(kubectl: Kubectl, name: str) -> Iterator[None]:
    """It is gone afterwards, and what an earlier run left there is removed first."""
    kubectl.run("delete", "namespace", name, "--ignore-not-found", "--timeout=120s")
    try:
        yield
    finally:
        kubectl.run("delete", "namespace", name, "--ignore-not-found", "--timeout=120s")


def _looking(kubectl: Kubectl, where: str, kind: str) -> Callable[[], Object]:
    def look() -> Object:
        found: Object = kubectl.get(kind, APP, "-n", where)
        return dict(found.get("status") or {})

    return look


def _changing(kubectl: Kubectl, where: str, kind: str, image: str) -> Callable[[], None]:
    """The trigger of both peers: the pod template names another image."""
    path = "/spec/template/spec/containers/0/image"
    patch = json.dumps([{"op": "replace", "path": path, "value": image}])
    return lambda: _quietly(kubectl.run("patch", kind, APP, "-n", where, "--type=json", "-p", patch))


def _quietly(said: str) -> None:
    del said


def _share(candidate: Callable[[str], bool]) -> Callable[[Object], float]:
    """Reads the candidate's percent from an HTTPRoute's first rule."""

    def read(found: Object) -> float:
        backends = found["spec"]["rules"][0].get("backendRefs") or []
        weights = {one["name"]: float(one.get("weight", 1)) for one in backends}
        part = sum(weight for name, weight in weights.items() if candidate(name))
        return 100 * part / sum(weights.values()) if part else 0.0

    return read


def _serving(found: Object) -> set[str]:
    """The Services that an HTTPRoute's first rule sends requests to."""
    return {one["name"] for one in found["spec"]["rules"][0]["backendRefs"] if one.get("weight", 1) > 0}


def _of_service(found: Object) -> float:
    """Reads the canary's percent from a TraefikService; without weights Argo has not begun."""
    return float(found["spec"]["weighted"]["services"][1].get("weight", 0))
