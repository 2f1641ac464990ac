"""Runs writers of one route in every order: each stands still before each call of the API, and one goes on.

The writers are the real router for existing routes (read, compare epoch and attempt, replace by
resourceVersion) in a thread each; the API is a single object that behaves as an API server's.
"""

import copy
import itertools
import threading

from policies.place import Place
from service.adapters.kubernetes import recorded, records
from service.adapters.kubernetes.answers import Stale
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import SERVICE
from service.ports.connections import Cluster
from service.ports.outcomes import PortError
from service.ports.traffic import Backend, Route

TARGET = "fraud/production"
PLACE = Place("prod", "ml", "fraud", "virtualservice/ml/fraud")
CLUSTER = Cluster("prod", namespace="ml", owner="me")


class OneObject:
    """An API server with one VirtualService; `taken` are the orders of the writes it took, in turn."""

    def __init__(self, *, compares=True):
        self.compares, self.taken, self.version = compares, [], 1
        route = [{"destination": {"host": "old", "port": {"number": 80}}, "weight": 100}]
        self.live = {
            "kind": "VirtualService",
            "metadata": {"namespace": "ml", "name": "fraud", "resourceVersion": "1"},
            "spec": {"hosts": ["fraud"], "http": [{"route": route}]},
        }

    def get(self, kind, namespace, name):
        if kind == SERVICE:
            return {"metadata": {"labels": {}}, "spec": {"ports": [{"port": 80}]}}
        return copy.deepcopy(self.live)

    def replace(self, kind, namespace, name, body):
        if self.compares and body["metadata"]["resourceVersion"] != str(self.version):
            raise Stale("the object has been modified")
        self.version += 1
        self.live = copy.deepcopy(body)
        self.live["metadata"]["resourceVersion"] = str(self.version)
        self.taken.append(records.records(body)[TARGET].order)
        return self.live


class Turns:
    """One writer goes on at a time; `choose` says which of those that can."""

    def __init__(self, choose):
        self._choose, self._at, self._states = choose, threading.Condition(), {}

    def pause(self):
        """Called by a writer before each call; returns when it is its turn."""
        self._become("waits")
        with self._at:
            self._at.wait_for(lambda: self._states[threading.current_thread()] == "goes on")

    def run(self, bodies):
        """All bodies to their ends, one call after another."""
        threads = [threading.Thread(target=self._live, args=(body,), daemon=True) for body in bodies]
        self._states = dict.fromkeys(threads, "goes on")
        for thread in threads:
            thread.start()
        while True:
            with self._at:
                self._at.wait_for(lambda: "goes on" not in self._states.values())
                ready = [thread for thread in threads if self._states[thread] == "waits"]
                if not ready:
                    break
                self._states[self._choose(ready)] = "goes on"
                self._at.notify_all()
        for thread in threads:
            thread.join()

    def _live(self, body):
        try:
            body()
        finally:
            self._become("has ended")

    def _become(self, state):
        with self._at:
            self._states[threading.current_thread()] = state
            self._at.notify_all()


class Paused:
    """The API as a writer sees it: every call about the route waits for its turn."""

    def __init__(self, api, turns):
        self._api, self._turns = api, turns

    def get(self, kind, namespace, name):
        if kind != SERVICE:
            self._turns.pause()
        return self._api.get(kind, namespace, name)

    def list(self, kind, namespace, *, labels):
        """Every Service has an endpoint that answers: what pods do is another story than the writers'."""
        del kind, namespace, labels
        return [{"endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}]}]

    def replace(self, *arguments):
        self._turns.pause()
        return self._api.replace(*arguments)


def writer(api, writes):
    """A body that makes its writes one after another, and ends where it is refused."""

    def body():
        router = GatewayRouter(api, CLUSTER, PLACE)
        for epoch, attempt, weight in writes:
            backends = (
                Backend("old.ml", "http://old.ml.svc:80", 100.0 - weight),
                Backend(f"new{epoch}.ml", f"http://new{epoch}.ml.svc:80", weight),
            )
            try:
                router.set(Route(TARGET, epoch, backends, "none", attempt))
            except PortError:
                return

    return body


def play(choose, writers, *, compares=True):
    """One order; the server afterwards."""
    server, turns = OneObject(compares=compares), Turns(choose)
    turns.run([writer(Paused(server, turns), writes) for writes in writers])
    return server


def every_order(writers, *, compares=True, most=100_000):
    """All orders in which these writers can go on, each played from the beginning; the servers."""
    prefix = []
    for _ in range(most):
        taken = []  # what was chosen, and of how many

        def choose(ready, taken=taken, prefix=tuple(prefix)):
            at = len(taken)
            which = prefix[at] if at < len(prefix) else 0
            taken.append((which, len(ready)))
            return ready[which]

        yield play(choose, writers, compares=compares)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        prefix = [*(which for which, _ in taken[:-1]), taken[-1][0] + 1]
    raise AssertionError(f"more than {most} orders")


def stale(server):
    """How many writes went back behind a newer one."""
    return sum(later < earlier for earlier, later in itertools.pairwise(server.taken))


def without_waiting(monkeypatch):
    """What waits for the other writer to finish need not wait here."""
    monkeypatch.setattr(recorded.time, "sleep", lambda _seconds: None)
