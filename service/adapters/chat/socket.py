"""Slack's Socket Mode: what is said comes over a web socket that we open, so nobody needs to reach us.

Needs an app-level token with `connections:write` (`xapp-…`, the secret file `socket-<source>`). Each envelope
is acknowledged once it is stored; what is not, Slack sends again. Slack ends connections now and then and
says so before. Source: Slack, "Using Socket Mode", "apps.connections.open".
"""

import asyncio
import json
import threading
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from handlers import redacting, slack, strict_json
from handlers.errors import HandlerError
from service.adapters.chat.answers import Server
from service.loopback import leads_here
from service.ports.chat import Take, Told
from service.ports.outcomes import Refused, Retry

_LARGEST = 4 << 20  # bytes of one envelope
_SECONDS = 20.0  # to connect
_HEARTBEAT = 30.0  # seconds of silence after which we ask whether the other end is there
_LOOK_SECONDS = 1.0  # between two looks at whether to stop
_JSON = {"Content-Type": "application/json"}


def listen(server: Server, take: Take, stop: threading.Event) -> None:
    """Hand on what is said until the connection ends or we are told to stop. Raises `Retry` or `Refused`."""
    address = _address(server)
    try:
        asyncio.run(_follow(address, take, stop))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Retry(f"Slack's socket ended: {type(error).__name__}", after=5) from None


def _address(server: Server) -> str:
    """Where Slack listens for us, which must be one of its own."""
    answer = server.call("POST", "apps.connections.open", {})
    if answer.get("ok") is not True:
        raise Refused(
            f"Slack opens no socket ({str(answer.get('error'))[:80]}); is Socket Mode on, and the app-level"
            " token of the scope connections:write?"
        )
    found, own = urlsplit(str(answer.get("url"))), urlsplit(server.root)
    host, same = found.hostname or "", found.hostname == own.hostname
    if found.scheme != ("wss" if own.scheme == "https" else "ws") or not (
        same or host.endswith(".slack.com")
    ):
        raise Refused("Slack named a socket that is none of its own")
    return found.geturl()


async def _follow(address: str, take: Take, stop: threading.Event) -> None:
    here = leads_here(address)
    limit = aiohttp.ClientTimeout(total=None, connect=_SECONDS)
    async with (
        aiohttp.ClientSession(trust_env=not here, timeout=limit) as session,
        session.ws_connect(address, heartbeat=_HEARTBEAT, max_msg_size=_LARGEST) as socket,
    ):
        while not stop.is_set():
            try:
                said = await socket.receive(timeout=_LOOK_SECONDS)
            except TimeoutError:
                continue
            if said.type is not aiohttp.WSMsgType.TEXT or not await _taken(socket, said.data, take):
                return


async def _taken(socket: aiohttp.ClientWebSocketResponse, text: str, take: Take) -> bool:
    """Store an envelope, then say so. False where Slack is about to end the connection."""
    try:
        told = strict_json.load(text.encode())
    except HandlerError:
        return True  # nobody can store it, and not acknowledged it comes again
    if told.get("type") == "disconnect":
        return False
    name, payload = told.get("envelope_id"), told.get("payload")
    if isinstance(name, str) and isinstance(payload, dict):
        await asyncio.to_thread(take, [_said(payload)], "")
        await socket.send_str(json.dumps({"envelope_id": name}))
    return True


def _said(payload: dict[str, Any]) -> Told:
    """Named as over HTTP: an event that is sent again has the same id."""
    return Told(slack.delivery_id(_JSON, json.dumps(payload).encode()), redacting.written(payload))
