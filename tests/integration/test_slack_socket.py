"""Socket Mode against a web socket of the test's own: acknowledged once stored, sent again where it is not."""

import asyncio
import json
import threading

import pytest
from aiohttp import WSMsgType, web

from service import plugins
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

TOKEN = "xapp-of-the-test"
EVENT = {
    "type": "event_callback",
    "team_id": "T1",
    "event_id": "Ev1",
    "token": "t",
    "event": {"type": "app_mention"},
}
TYPED = {
    "command": "/segue",
    "text": "help",
    "token": "t",
    "response_url": "https://hooks.slack.com/x",
    "trigger_id": "7",
}


class Slack:
    """Sends these envelopes over a socket; `acknowledged` are the ids that came back."""

    def __init__(self, envelopes, elsewhere=None, token=TOKEN):
        self.token = token
        self.envelopes, self.elsewhere, self.acknowledged, self.asked = envelopes, elsewhere, [], []
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *error):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(60)

    def _run(self):
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._ended = asyncio.Event()
        app = web.Application()
        app.add_routes([web.post("/api/apps.connections.open", self._open), web.get("/socket", self._socket)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _open(self, request):
        self.asked.append(request.headers["Authorization"])
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        url = self.elsewhere or f"ws://127.0.0.1:{self.port}/socket?ticket=1"
        return web.json_response({"ok": True, "url": url})

    async def _socket(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(json.dumps({"type": "hello"}))
        for envelope in self.envelopes:
            await socket.send_str(envelope if isinstance(envelope, str) else json.dumps(envelope))
        async for said in socket:
            if said.type is WSMsgType.TEXT:
                self.acknowledged.append(json.loads(said.data)["envelope_id"])
        return socket


def envelope(name, payload):
    return {"envelope_id": name, "type": "events_api", "payload": payload, "accepts_response_payload": False}


@pytest.fixture
def listen(tmp_path):
    def begin(server, take):
        (tmp_path / "secrets").mkdir(exist_ok=True)
        (tmp_path / "secrets" / "socket-slack").write_text(TOKEN)
        url = f"http://127.0.0.1:{server.port}/T1"
        chat = plugins.load("chats", "slack").open(Settings(home=tmp_path), Source("slack", "slack", url))
        assert chat.listens()
        chat.listen(None, take, threading.Event())

    return begin


BYE = {"type": "disconnect", "reason": "refresh_requested"}


def test_what_is_said_is_stored_without_secrets_and_then_acknowledged(listen):
    stored = []
    with Slack([envelope("e1", EVENT), "no JSON", envelope("e2", TYPED), BYE]) as server:
        listen(server, lambda said, place: stored.extend(said))
    assert server.acknowledged == ["e1", "e2"]
    assert stored[0].name == "Ev1"
    assert json.loads(stored[1].body)["text"] == "help"
    kept = b"".join(one.body for one in stored)
    for secret in (b"hooks.slack.com", b'"token"', b"trigger_id"):
        assert secret not in kept


def test_what_could_not_be_stored_is_not_acknowledged(listen):
    def fails(said, place):
        raise Retry("the store is away")

    with Slack([envelope("e1", EVENT), BYE]) as server, pytest.raises(Retry, match="the store is away"):
        listen(server, fails)
    assert server.acknowledged == []


@pytest.mark.parametrize(
    "elsewhere", ["ws://evil.example/socket", "https://127.0.0.1/", "ws://127.0.0.1.evil.example/", ""]
)
def test_a_socket_that_is_none_of_slacks_is_not_opened(listen, elsewhere):
    with (
        Slack([], elsewhere or "file:///etc/passwd") as server,
        pytest.raises(Refused, match="none of its own"),
    ):
        listen(server, lambda said, place: None)


def test_a_token_that_is_none_says_what_is_missing(listen):
    with Slack([], token="another") as server, pytest.raises(Refused, match="connections:write"):
        listen(server, lambda said, place: None)
