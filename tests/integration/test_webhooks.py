"""Webhooks to receivers, over real sockets: what is sent, how it is signed, what each answer means."""

import base64
import json
import socket
from dataclasses import replace

import pytest

from handlers import signing
from service.adapters.receivers import payload, webhook
from service.adapters.receivers.webhook import Webhook
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.contracts.test_receiver import LATER, NOTICE, SECRET
from tests.receiving import Receiver

NEW = b"whsec_" + base64.b64encode(b"another secret of 32 characters.")
NOW = 1_700_000_100.0


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def server():
    with Receiver((SECRET,), Clock()) as made:
        yield made


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    made = Settings(home=tmp_path, web_url="https://segue.example")
    secret(made, "hook-ops", SECRET)
    return made


def secret(settings, name, *lines):
    (settings.home / "secrets" / name).write_bytes(b"\n".join(lines) + b"\n")


def opened(settings, server, now=None):
    return Webhook(settings, Source("ops", "webhook", server.url), now or Clock())


def test_the_document_is_the_one_that_is_documented(settings, server):
    released = replace(
        NOTICE, registered=("wine", "7"), commit="c" * 40, source="git", plan="sha256:9", needed=2
    )
    opened(settings, server).tell(replace(released, approved=("bob",), reason="why"))
    (told,) = server.told.values()
    assert told == {
        "type": "release.starting",
        "timestamp": "2023-11-14T22:13:20.500Z",
        "data": {
            "schema": 1,
            "title": "rel-7 on wine/production is starting",
            "text": "cause: a push",
            "release": {
                "name": "rel-7", "number": 3, "model": "wine", "environment": "production",
                "target": "wine/production", "phase": "starting", "version": "v-1f0c", "image": "",
                "cause": "a push", "author": "ann", "source": "git", "commit": "c" * 40,
                "registered": {"name": "wine", "version": "7"}, "wanted": 0.0, "observed": 0.0,
                "proven": True, "reason": "why",
                "approvals": {"needed": 2, "given": ["bob"], "plan": "sha256:9"},
                "url": "https://segue.example/-/releases/rel-7",
            },
        },
    }  # fmt: skip


def test_what_belongs_to_no_release_says_so(settings, server):
    opened(settings, server).tell(replace(NOTICE, about="work-3", target=""))
    (told,) = server.told.values()
    assert told["data"]["release"] is None


def test_each_try_has_the_same_id_and_body_and_the_time_of_that_try(settings, server):
    server.script = [(500, {}), (429, {"Retry-After": "7"})]
    clock = Clock()
    receiver = opened(settings, server, clock)
    with pytest.raises(Retry):
        receiver.tell(NOTICE)
    with pytest.raises(Retry) as asked:
        receiver.tell(NOTICE)
    assert asked.value.after == 7
    clock.now += 3600
    server.now = clock
    receiver.tell(NOTICE)
    assert len({name for name, _, _ in server.came}) == 1
    assert [stamp for _, stamp, _ in server.came] == [f"{NOW:.0f}"] * 2 + [f"{NOW + 3600:.0f}"]


def test_while_a_secret_is_changed_both_verify(settings, server):
    secret(settings, "hook-ops", NEW, SECRET)
    opened(settings, server).tell(NOTICE)
    server.secrets = (NEW,)
    opened(settings, server).tell(LATER)
    assert len(server.told) == 2
    secret(settings, "hook-ops", NEW)
    server.secrets = (SECRET,)
    with pytest.raises(Refused, match=r"401.*secrets/hook-ops"):
        opened(settings, server).tell(NOTICE)


@pytest.mark.parametrize("lines", [(), (b"whsec_not base64",), (b"whsec_",)])
def test_nothing_is_sent_unsigned(settings, server, lines):
    secret(settings, "hook-ops", *lines)
    with pytest.raises(Refused, match="hook-ops"):
        opened(settings, server).tell(NOTICE)
    assert server.came == []


def test_a_token_goes_along_where_one_is_set(settings, server):
    secret(settings, "login-ops", b"a-token")
    opened(settings, server).tell(NOTICE)
    assert server.headers[-1]["authorization"] == "Bearer a-token"
    secret(settings, "login-ops", b"two words")
    with pytest.raises(Refused, match="login-ops"):
        opened(settings, server).tell(NOTICE)
    assert len(server.came) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(settings, server, status):
    server.script = [(status, {})]
    with pytest.raises(Retry, match=f"ops answered {status}"):
        opened(settings, server).tell(NOTICE)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 415, 422])
def test_what_will_not_pass_is_given_up_with_what_to_mend(settings, server, status):
    server.script = [(status, {})]
    with pytest.raises(Refused, match=f"ops answered {status}"):
        opened(settings, server).tell(NOTICE)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_sent_elsewhere(settings, server, status):
    with Receiver((SECRET,), Clock()) as other:
        server.script = [(status, {"Location": other.url})]
        with pytest.raises(Refused, match="leads elsewhere"):
            opened(settings, server).tell(NOTICE)
        assert other.came == []


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "224.0.0.1"]  # noqa: S104
)  # fmt: skip
def test_no_cloud_s_metadata_is_ever_told_anything(settings, host, monkeypatch):
    gone_to = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: gone_to.append(address))
    receiver = Webhook(settings, Source("ops", "webhook", f"http://{host}/latest"), Clock())
    with pytest.raises(Refused, match="nobody is told"):
        receiver.tell(NOTICE)
    assert gone_to == []


def test_a_name_that_leads_there_is_judged_by_where_it_leads(settings, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused, match="nobody is told"):
        Webhook(settings, Source("ops", "webhook", "http://hooks.example/"), Clock()).tell(NOTICE)


def test_nobody_there_is_told_later_and_without_the_address(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a-path-of-theirs"
    with pytest.raises(Retry) as raised:
        Webhook(settings, Source("ops", "webhook", url), Clock()).tell(NOTICE)
    assert "a-path-of-theirs" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/", "hooks.example", "https://", "https://hooks.example:0/", "https://hooks.example/ x",
        "https://ann:secret@hooks.example/", "https://hooks.example/?code=secret", "https://hooks.example/#secret",
        "https://hooks.example:port/", "http://[::1", "https://hooks.example/\u00e9", "https://hooks.example/\\x",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_or_holds_a_secret_is_refused_and_not_repeated(url):
    with pytest.raises(Refused) as raised:
        webhook.address(url)
    assert "secret@" not in str(raised.value)
    assert "code=" not in str(raised.value)


def test_any_text_arrives_as_it_is(settings, server):
    odd = '\u202e<script>\x00\x1b[2J \U0001f600 "quoted" \r\nX-Injected: yes'
    opened(settings, server).tell(replace(NOTICE, title=odd, text=odd, author=odd))
    (told,) = server.told.values()
    assert (told["data"]["title"], told["data"]["release"]["author"]) == (odd, odd)
    assert "x-injected" not in server.headers[-1]


def test_ids_are_those_of_the_receiver_too():
    one, other = Source("ops", "webhook", "x"), Source("other", "webhook", "x")
    assert payload.identity(one, NOTICE) != payload.identity(other, NOTICE)


def test_signatures_are_those_of_the_specification():
    """Its own example."""
    body = b'{"test": 2432232314}'
    made = signing.signed((SECRET,), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert json.loads(body)
    signing.standard((SECRET,), made, body, 1614265330.0, 300)
