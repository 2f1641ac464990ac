"""How a recorder's pod listens, and how it ends."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from service.recorder.passing import server

_KEPT_OPEN = 3600.0  # seconds: whoever asks closes first, and sends into no connection that is closing


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ends once it is told to, in seconds: when nobody has sent it a request for `quiet`, or `most`
    have passed. Then it has `grace` to finish what is in hand."""

    quiet: float
    most: float
    grace: float


class Pod(Protocol):
    """What a pod does."""

    async def open(self) -> None:
        """Before it listens, in the loop that runs it."""
        ...

    async def close(self) -> None:
        """After all is finished."""
        ...

    async def unused(self, ending: Ending) -> None:
        """Wait until whoever sends requests has forgotten it."""
        ...

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """What comes by the gateway."""
        ...

    async def control(self, request: web.BaseRequest) -> web.StreamResponse:
        """What is asked of the pod itself."""
        ...


async def serve(pod: Pod, ports: tuple[int, int], stop: asyncio.Event, ending: Ending) -> None:
    """Listen for the gateway, and for Segue, until told to stop and nobody sends any more; then what is in
    hand is finished."""
    await pod.open()
    runners = []
    for port, handle in zip(ports, (pod.handle, pod.control), strict=True):
        listening = server(handle, keepalive_timeout=_KEPT_OPEN)
        runners.append(web.ServerRunner(listening, shutdown_timeout=ending.grace))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], None, port, backlog=1024).start()
    await stop.wait()
    await pod.unused(ending)
    for runner in runners:
        await runner.cleanup()
    await pod.close()
