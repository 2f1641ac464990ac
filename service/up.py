"""`segue up`: the whole of an installation on one machine, with the embedded parts.

The router and the models are kept by shims: they were there before, they stay when this ends. Segue's
own processes are children of this one and end with it.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import requests
import structlog

from service import plugins, processes, stores
from service.errors import StartError
from service.machine import installation, shim
from service.machine.children import Children
from service.settings import Settings, environ_of

log = structlog.get_logger()
READY_SECONDS = 120.0  # on a machine that does much beside it
LEAVING_SECONDS = 10.0  # for which what an `up` that was killed left behind may hold its ports
TEND_SECONDS = 0.5
SERVING = ("intake", "web")  # always listen where the settings say
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE")  # fmt: skip
KEPT_BEGINNINGS = (
    "PIP_", "UV_",  # where the builder's installer finds its packages
    "KUBERNETES_SERVICE_",  # in a pod: where its cluster is
    "AWS_", "AZURE_", "AAD_", "GOOGLE_", "CLOUDSDK_",  # by which a kubeconfig's plugins log in
)  # fmt: skip
KEPT_ENDINGS = ("_PROXY", "_proxy")

Tell = Callable[[str], None]
Broker = Literal["embedded", "none"]


class AlreadyUp(StartError):
    """Another `segue up` runs for this home."""


class NotReady(StartError):
    """A part did not come up in time."""


def up(settings: Settings, broker: Broker, stop: threading.Event, tell: Tell) -> None:
    """Start everything, say when it is ready, tend it until told to stop, end what is ours.

    Raises `AlreadyUp`, or `NotReady` with the part that did not come.
    """
    installation.make_folders(settings.home)
    with installation.alone(settings.home) as mine:
        if not mine:
            raise AlreadyUp(f"Segue runs already in {settings.home}; stop it with: segue down")
        _wait_for_leaving(settings)
        with installation.chosen_ports(settings) as chosen:
            _run(chosen, broker, stop, tell)


def _run(chosen: Settings, broker: Broker, stop: threading.Event, tell: Tell) -> None:
    chosen = _daemons(chosen, broker, tell)
    stores.make(chosen)
    installation.remember_store(chosen)
    if not chosen.clusters_only:
        _workloads(chosen, tell)
    children = Children(processes.NAMES, _environ(chosen), _output(chosen))
    children.start()
    try:
        _wait_until_ready(chosen, children, stop, tell)
        installation.write_down(chosen.home, "up", chosen.web_port)
        _tend(children, stop)
    finally:
        tell("stopping; the router and the models go on serving")
        children.end()
        _stop_broker(chosen.home)
        (chosen.home / "run" / "up.json").unlink(missing_ok=True)


def _wait_for_leaving(settings: Settings) -> None:
    """Until nobody of an `up` that was killed listens any more, or this one would choose other ports.

    Its children are told to end when it dies, and leave their ports first. Workers may finish what they have
    in hand beside the new ones: leases keep them apart.
    """
    until = time.monotonic() + LEAVING_SECONDS
    while any(_listens(settings, name) for name in SERVING) and time.monotonic() < until:
        time.sleep(0.02)


def _listens(settings: Settings, name: str) -> bool:
    found = installation.running(settings.home, name)
    return (
        found is not None and found.port is not None and not installation.is_free(settings.host, found.port)
    )


# --- parts -----------------------------------------------------------------------------------


def daemon_folder(home: Path, name: str) -> Path:
    """Where the shim of an embedded part keeps its state."""
    return home / "daemons" / name


def _daemons(chosen: Settings, broker: Broker, tell: Tell) -> Settings:
    """The router, and the broker where the embedded one is wanted, under their shims."""
    if not chosen.clusters_only:
        if plugins.load("daemons", "recorder").open(chosen).wanted():
            _keep(chosen, "recorder", tell)  # before the router, whose routes name its port
        _keep(chosen, "traefik", tell)
    if chosen.broker is not None or broker == "none":
        return chosen
    valkey = _keep(chosen, "valkey", tell)
    return replace(chosen, broker=valkey.url())


def _keep(chosen: Settings, name: str, tell: Tell) -> Any:
    daemon = plugins.load("daemons", name).open(chosen)
    folder = daemon_folder(chosen.home, name)
    adopted = shim.status(folder).running
    if adopted and not daemon.ready():
        # It runs with other settings than these, or hangs: a router that answers nobody serves nobody.
        shim.stop(folder)
        adopted = False
    if not adopted:
        shim.keep(folder, daemon.order())
    elif not shim.supervised(folder):
        shim.keep(folder, shim.recorded(folder) or daemon.order())
    tell(f"{name}: {'runs already, adopted' if adopted else 'started'}")
    until = time.monotonic() + READY_SECONDS
    while not daemon.ready():
        if time.monotonic() > until:
            raise NotReady(f"{name} did not come up; it printed:\n{shim.log_tail(folder, 2000)}")
        time.sleep(0.05)
    return daemon


def _workloads(chosen: Settings, tell: Tell) -> None:
    """Those that should run and do not, as after the machine has booted."""
    workloads = plugins.load("workloads", "process").open(chosen)
    tell(workloads.isolation)
    workloads.restore()


def _stop_broker(home: Path) -> None:
    shim.stop(daemon_folder(home, "valkey"))


def kept(environ: Mapping[str, str]) -> dict[str, str]:
    """Of our environment what programs need to run, packages to be found and clusters to be reached."""
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT or name.startswith(KEPT_BEGINNINGS) or name.endswith(KEPT_ENDINGS)
    }


def _output(chosen: Settings) -> Path | None:
    return None if chosen.logs == "stdout" else chosen.home / "logs" / "output.log"


def place_of_logs(chosen: Settings, name: str = "") -> str:
    """Where somebody finds what a process logged, or all of them did."""
    if chosen.logs == "stdout":
        return "the output of segue up"
    return str(chosen.home / "logs" / (name and f"{name}.log"))


def _environ(chosen: Settings) -> dict[str, str]:
    ours = {**environ_of(chosen), "PYTHONUNBUFFERED": "1", "SEGUE_SUPERVISED": str(os.getpid())}
    return {**kept(os.environ), **ours}


# --- readiness -------------------------------------------------------------------------------


def _wait_until_ready(chosen: Settings, children: Children, stop: threading.Event, tell: Tell) -> None:
    waiting = list(processes.NAMES)
    until = time.monotonic() + READY_SECONDS
    while waiting and not stop.is_set():
        children.tend()
        waiting = [name for name in waiting if not _ready(chosen, name, children)]
        if waiting and time.monotonic() > until:
            raise NotReady(f"{', '.join(waiting)} did not come up; see {place_of_logs(chosen)}")
        stop.wait(0.05)
    tell("ready")


def ready(chosen: Settings, name: str) -> bool:
    """Whether the process of that name says that it is."""
    found = installation.running(chosen.home, name)
    if found is None or found.port is None:
        return False
    host = chosen.host if name in SERVING or chosen.probe_port else "127.0.0.1"
    try:
        answer = requests.get(f"http://{host}:{found.port}/readyz", timeout=1)
    except requests.RequestException:
        return False
    return answer.ok


def _ready(chosen: Settings, name: str, children: Children) -> bool:
    """The same of the one that was started here: one of an earlier `up` may still be ending."""
    found = installation.running(chosen.home, name)
    return found is not None and found.pid == children.pid(name) and ready(chosen, name)


def _tend(children: Children, stop: threading.Event) -> None:
    while not stop.wait(TEND_SECONDS):
        children.tend()
