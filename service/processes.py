"""The processes of an installation: `python -m service.processes <name>`, as `Procfile` names them.

Each reads its settings from the environment, writes itself down, and ends on SIGTERM. None of them
keeps anything that the others could miss. Each imports what it needs when it runs: six processes that
import everything take twice as long to start as the machine allows, and more memory.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from service import settings
from service.machine import ending, installation, logs
from service.settings import Settings

if TYPE_CHECKING:
    from service.intake import Doors
    from service.reconciler import Hint
    from service.store.store import Store

log = structlog.get_logger()
PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>
NAMES = ("intake", "web", "worker-urgent", "worker-patient", "reconciler", "observer")
PROBED = NAMES[2:]  # those with a small port, in the order of their ports
FINISH_SECONDS = 20.0  # for which an ending worker finishes what it has in hand
KNOWN_SECONDS = 1.0  # for which a disconnected source or a changed secret is still taken as it was


def main(arguments: list[str]) -> int:
    """Run one process until it is told to stop."""
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"usage: python -m service.processes {{{','.join(NAMES)}}}", file=sys.stderr)  # noqa: T201
        return 2
    name = arguments[0]
    chosen = settings.read(os.environ)
    installation.make_folders(chosen.home)
    _end_with_parent()
    _log(chosen, name)
    log.info("started", pid=os.getpid())
    try:
        _run(name, chosen)
    except Exception:  # it goes on up: only the log of this process is to have it, too
        log.exception("ended by an error")
        raise
    log.info("stopped")
    return 0


def _log(chosen: Settings, name: str) -> None:
    if chosen.logs == "stdout":
        logs.to_stdout(name, logs.own_stdout())
    else:
        logs.to_file(chosen.home / "logs", name)


def _end_with_parent() -> None:
    """Be told to end when `segue up` is killed: whoever starts it again finds the ports free.

    It may be gone already: then nobody would tell. Raises `SystemExit`.
    """
    supervisor = os.environ.get("SEGUE_SUPERVISED")
    if supervisor is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if supervisor != str(os.getppid()):
        sys.exit("segue up, which started this process, is gone")


def _run(name: str, chosen: Settings) -> None:
    match name:
        case "intake":
            run_intake(chosen)
        case "web":
            run_web(chosen)
        case "reconciler":
            run_reconciler(chosen)
        case "observer":
            run_observer(chosen)
        case _:
            run_worker(chosen, name)


def run_intake(chosen: Settings) -> None:
    """Take deliveries and commands."""
    from service import intake
    from service.identity import tokens
    from service.machine import serving
    from service.store.inbox import Inbox
    from service.store.store import Store

    store, inbox = Store.open(chosen.store_url("engine")), Inbox.open(chosen.store_url("inbox"))
    app = intake.create_intake(
        chosen, inbox, _doors(chosen, store), lambda header: tokens.actor(store, header)
    )
    installation.write_down(chosen.home, "intake", chosen.intake_port)
    stop = ending.stop_on_signals()
    serving.serve(app, chosen.host, chosen.intake_port, stop, largest_body=chosen.body_bytes)
    inbox.close()


def _doors(chosen: Settings, store: "Store") -> "Doors":
    """Sources by name, with the secrets that are live. One that is known is read anew when it is older
    than `KNOWN_SECONDS`, one that is not each time: a new connection needs no restart and no wait."""
    from service.intake import Door

    known: dict[str, tuple[float, Door]] = {}

    def door(name: str) -> Door | None:
        now = time.monotonic()
        read_at, found = known.get(name, (0.0, None))
        if found is not None and now - read_at < KNOWN_SECONDS:
            return found
        known.pop(name, None)
        source = next((s for s in store.sources() if s.name == name), None)
        if source is None:
            return None
        known[name] = (now, Door(source.kind, chosen.live(f"hook-{source.keyring}")))
        return known[name][1]

    return door


def run_web(chosen: Settings) -> None:
    """Serve what can be read."""
    from service import web
    from service.bootstrap import build
    from service.machine import serving
    from service.showing import streams
    from service.store.series import Series

    stop = ending.stop_on_signals()
    app = web.create_web(build(chosen), Series.open(chosen.store_url("series")), stop)
    installation.write_down(chosen.home, "web", chosen.web_port)
    forwarded = bool(chosen.proxies)
    serving.serve(
        app, chosen.host, chosen.web_port, stop, threads=8, forwarded=forwarded, streams=streams.MOST
    )


def _open_probe(chosen: Settings, name: str, ready: Callable[[], bool]) -> int:
    """The small port: a loopback one that is free, or where `SEGUE_PROBE_PORT` says, for others to ask."""
    from service.machine.probe import open_probe

    if chosen.probe_port is None:
        return open_probe(ready)
    return open_probe(ready, chosen.host, chosen.probe_port + PROBED.index(name))


def run_worker(chosen: Settings, name: str) -> None:
    """Decide and perform: by the broker's hints where there is one, by polling in any case."""
    from service import worker
    from service.bootstrap import build
    from service.work import QUEUES

    parts = build(chosen)
    queue = name.removeprefix("worker-")
    kinds = QUEUES[queue]
    if chosen.broker is not None:
        from service import tasks  # before anybody is told that this worker is ready: it takes a second

    installation.write_down(chosen.home, name, _open_probe(chosen, name, parts.store.answers))
    if chosen.broker is None:
        worker.poll(parts, ending.stop_on_signals(), kinds)
        return
    stop = ending.stop_on_signals()
    polling = threading.Thread(
        target=worker.poll, args=(parts, stop, kinds), kwargs={"hinted": True}, name="poll", daemon=True
    )
    polling.start()
    try:
        tasks.run(chosen.broker, parts, queue, stop)
    finally:
        stop.set()
        polling.join(FINISH_SECONDS)  # what is in hand there is finished, too


def run_reconciler(chosen: Settings) -> None:
    """Take deliveries in, listen to chats, ask for sweeps, send hints."""
    from service import reconciler, sources
    from service.arrivals.listening import Listeners
    from service.reconciler import Reconciler
    from service.store.inbox import Inbox
    from service.store.store import Store

    store, inbox = Store.open(chosen.store_url("engine")), Inbox.open(chosen.store_url("inbox"))
    port = _open_probe(chosen, "reconciler", store.answers)
    installation.write_down(chosen.home, "reconciler", port)
    listeners = Listeners(store, inbox, lambda source: sources.opened(chosen, source))
    rounds = Reconciler(chosen, store, inbox, _hint(chosen), listeners)
    reconciler.run(rounds, ending.stop_on_signals())
    listeners.stop()


def _hint(chosen: Settings) -> "Hint | None":
    if chosen.broker is None:
        return None
    from service import tasks

    app = tasks.create_app(chosen.broker)
    return lambda queue, number: tasks.hint(app, queue, number)


def run_observer(chosen: Settings) -> None:
    """Read the counters and judge."""
    from service import observer
    from service.bootstrap import build
    from service.machine.garbage import Seldom
    from service.observer import Observer
    from service.store import owners
    from service.store.series import Series

    watching = Observer(
        build(chosen),
        Series.open(chosen.store_url("series")),
        owners.name_of_this_process("observer"),
        time.time,
    )
    port = _open_probe(chosen, "observer", lambda: watching.series.judge("") is None)
    installation.write_down(chosen.home, "observer", port)
    observer.run(watching, ending.stop_on_signals(), chosen.scrape_seconds, Seldom())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
