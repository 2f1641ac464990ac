"""An installation with one model that serves, watched from outside while its processes are killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count

import requests
from sqlalchemy import select

from bench.installed import Installation
from bench.repository import Repository, git
from bench.rollback import DECLARED, address_of, push
from policies.guards.fed import from_json
from policies.guards.increment import Increment
from service import up
from service.client import Client, Refusal, Unreachable, client_of
from service.client.results import Release
from service.machine import installation as installed
from service.machine import shim
from service.store.database import reading
from service.store.series import Series
from service.store.store import Store
from service.store.tables import work

PATIENCE, OFTEN = 90.0, 0.002
WAITING = DECLARED.replace(b"dwell: 5s", b"dwell: 30m")  # a rollout that is judged for the whole time


@dataclass(slots=True)
class Scene:
    """An installation with one model that serves, and everything by which it is watched."""

    place: Installation
    repository: Repository
    api: Client
    store: Store
    series: Series
    address: str  # of the model
    numbers: Iterator[int]

    def judge(self) -> None:
        """Have a version judged for the whole time."""
        push(self.repository, "two", 200, WAITING)
        wait(lambda: any(one["observed"] > 0 for one in self._open()))

    def judged(self) -> str:
        """The release that has not ended, by name."""
        return self._open()[0]["name"]

    def _open(self) -> list[Release]:
        return self.api.releases(only_open=True).page().rows

    def recovered(self, name: str) -> float:
        """Kill the process of that name; how many seconds until what it does is done."""
        if name.startswith("worker"):
            number = self.caught(self.pid(name), "command" if name == "worker-urgent" else "look")
            os.kill(self.pid(name), signal.SIGKILL)
            return until(lambda: self.is_done(number))
        if name == "observer":
            release, began = self.judged(), time.time()
            os.kill(self.pid(name), signal.SIGKILL)
            wait(lambda: self.judged_after(release, began) is not None)
            return (self.judged_after(release, began) or 0.0) - began
        os.kill(self.pid(name), signal.SIGKILL)
        if name == "up":
            return until(self._up_again)
        return until(self.shown if name == "web" else self.obeyed)

    def serves_again(self, name: str) -> float:
        """The same of the router, or of the model that serves: whoever asks gets an answer of it again."""
        home = self.place.settings.home
        serving = self.api.targets().page().rows[0]["stable"]
        assert serving is not None
        backend = serving["backend"]
        folder = up.daemon_folder(home, "traefik") if name == "router" else home / "workloads" / backend
        pid = shim.status(folder).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return until(self._serves)

    def pid(self, name: str) -> int:
        """The process of that name."""
        found = installed.running(self.place.settings.home, name)
        while found is None:
            time.sleep(0.05)
            found = installed.running(self.place.settings.home, name)
        return found.pid

    def caught(self, pid: int, kind: str) -> int:
        """Give work of that kind until this worker has some in hand, and stop it there; the work's number."""
        for number in self.numbers:
            if kind == "command":
                for again in range(5):
                    self.ask(10 * number + again)
            else:
                git(self.repository.work, "push", "--quiet", "origin", f"HEAD:refs/heads/side-{number}")
            ends = time.monotonic() + 2.0
            while time.monotonic() < ends:
                if not self.in_hand(pid, kind):
                    time.sleep(OFTEN)
                    continue
                os.kill(pid, signal.SIGSTOP)
                time.sleep(5 * OFTEN)  # a commit that was under way has ended
                if held := self.in_hand(pid, kind):
                    return held[0]
                os.kill(pid, signal.SIGCONT)
        raise AssertionError

    def in_hand(self, pid: int, kind: str) -> list[int]:
        """The work of that kind that this process holds."""
        held = select(work.c.id, work.c.owner).where(work.c.state == "running", work.c.kind == kind)
        with reading(self.store.engine) as connection:
            rows = connection.execute(held)
            return [row.id for row in rows if row.owner.split("/")[3] == str(pid)]

    def is_done(self, number: int) -> bool:
        """Whether that work has ended."""
        with reading(self.store.engine) as connection:
            ended = select(work.c.state).where(work.c.id == number, work.c.finished.is_not(None))
            return connection.scalar(ended) == "done"

    def ask(self, number: int) -> str:
        """Give a command that changes nothing, without waiting for its reply; as what it is stored."""
        told = {"verb": "abort", "subject": f"rel-{90_000 + number}"}
        headers = {"Authorization": f"Bearer {self.api.token}"}
        answer = requests.post(f"{self.api.intake}/api/v1/commands", json=told, headers=headers, timeout=5)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["delivery"])

    def obeyed(self) -> bool:
        """Whether a command is acknowledged and answered."""
        with suppress(Unreachable, Refusal):
            return bool(self.api.command("abort", "rel-99999")["text"])
        return False

    def shown(self) -> bool:
        """Whether the API shows what serves."""
        with suppress(Unreachable, Refusal):
            return bool(self.api.targets().page().rows)
        return False

    def judged_after(self, release: str, moment: float) -> float | None:
        """When the first interval since then was taken in and judged; None while none is stored."""
        fed = [from_json(one.body) for one in self.series.increments(release)]
        return next((one.at for one in fed if isinstance(one, Increment) and one.at > moment), None)

    def _up_again(self) -> bool:
        assert self.place.process is not None
        self.place.process.wait(PATIENCE)
        self.place.start()
        return self.obeyed()

    def _serves(self) -> bool:
        with suppress(requests.RequestException):
            answer = requests.get(self.address, timeout=5)
            return answer.status_code == 200 and answer.headers.get("X-Model") == "one"
        return False


@contextmanager
def opened(place: Installation) -> Iterator[Scene]:
    """The scene of an installation that has started, with a first version that serves."""
    repository = Repository(place.settings.home.parent)
    place.segue("connect", "git", str(repository.bare))
    api = client_of(place.settings)
    store = Store.open(place.settings.store_url("engine"))
    series = Series.open(place.settings.store_url("series"))
    try:
        push(repository, "one", 200)
        wait(lambda: any(one["phase"] == "promoted" for one in api.releases().page().rows))
        yield Scene(place, repository, api, store, series, address_of(api), count())
    finally:
        store.close()
        series.close()


def wait(holds: Callable[[], bool]) -> None:
    """Until that holds."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"nothing came of it within {PATIENCE:g} s"
        time.sleep(10 * OFTEN)


def until(holds: Callable[[], bool]) -> float:
    """The same; how many seconds it took."""
    began = time.monotonic()
    wait(holds)
    return time.monotonic() - began
