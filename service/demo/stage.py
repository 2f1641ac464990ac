"""What the acts of a demo work with: the installation, the repository, the registry and its users."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.client import Client
from service.demo.models import Models
from service.demo.place import Place, segue
from service.demo.repository import Repository
from service.demo.screen import Screen
from service.demo.traffic import Second, Traffic, lately, request_of

POLL_SECONDS = 0.2
Found = Mapping[str, Any]


class Late(Exception):
    """Something did not happen in time."""


@dataclass(slots=True)
class Following:
    """An installation whose releases are followed on a screen."""

    place: Place
    client: Client
    screen: Screen
    _last: float = field(default=0.0, init=False)

    def begun(self, fits: Callable[[Found], bool], seconds: float = 30.0) -> str:
        """The name of the newest release that fits, once there is one. Raises `Late`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for one in self.client.releases().page().rows:
                if fits(one):
                    return str(one["name"])
            time.sleep(POLL_SECONDS)
        raise Late(f"no release began within {seconds:g} s; look at: segue releases, segue doctor")

    def until(self, name: str, true: Callable[[Found], bool], seconds: float) -> Found:
        """Follow a release until something is true of it. Raises `Late`."""
        end = time.monotonic() + seconds
        while True:
            found = self.client.release(name)
            self.screen.release(found, list(self.client.targets()))
            if true(found["release"]):
                return found
            if found["release"]["final"]:
                raise Late(f"{found['release']['title']}: {found['release']['reason']}")
            if time.monotonic() > end:
                raise Late(f"{found['release']['title']} after {seconds:g} s; see: segue show {name}")
            time.sleep(POLL_SECONDS)

    def ended(self, name: str, seconds: float = 120.0) -> Found:
        """Follow a release to its end."""
        return self.until(name, lambda one: bool(one["final"]), seconds)

    def target(self, name: str) -> Found:
        """What a target serves now, and what is kept warm. Raises `Late` where nothing does."""
        for found in list(self.client.targets()):
            if found["name"] == name:
                return found
        raise Late(f"nothing serves {name}; see: segue releases")

    def eventually(self, true: Callable[[], bool], seconds: float = 20.0) -> bool:
        """Whether something becomes true in time: for what Segue does after a release has ended."""
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def due(self, seconds: float) -> bool:
        """Whether so long has passed since this was last true."""
        now = time.monotonic()
        if now - self._last < seconds:
            return False
        self._last = now
        return True


@dataclass(slots=True, kw_only=True)
class Stage(Following):
    """Everything that is up while the acts play. `commits` and `releases` are remembered by name."""

    repository: Repository
    models: Models
    approver: str  # the token of somebody who may approve
    streams: dict[str, Traffic] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    releases: dict[str, Found] = field(default_factory=dict)

    def of_commit(self, commit: str) -> str:
        """The release that a commit began."""
        return self.begun(lambda one: one["commit"] == commit)

    def of_model(self, version: str) -> str:
        """The release that a registered version began."""
        return self.begun(lambda one: one["registered"] == [self.models.registered, version])

    def approved(self, name: str) -> Found:
        """Wait until a release asks, approve what it shows, and follow it to its end."""
        asking = self.until(name, lambda one: one["phase"] == "approval", 120.0)
        digest = asking["release"]["plan"][:19]
        self.screen.say(f"segue approve {name} {digest}")
        segue(self.place, "approve", name, digest, "--reason", "the numbers are good", token=self.approver)
        return self.ended(name)

    def serve(self, target: str, path: str, body: object, rate: float) -> None:
        """Let users of the target come, from now on until the end."""
        request = request_of(target, self.target(target)["address"], path, body)
        self.streams[target] = Traffic(request, rate)
        self.streams[target].start()

    def lately(self) -> Iterable[tuple[str, Second]]:
        """What users meet now, by target."""
        return [(target, lately(stream.recent(), time.time())) for target, stream in self.streams.items()]
