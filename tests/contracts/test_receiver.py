"""What every receiver must do: take a notice, know it again, and say "not now" or "no" apart."""

from dataclasses import replace

import pytest

from policies.notices import Notice, Turn
from service import plugins
from service.adapters.memory.receiver import MemoryReceiver
from service.ports.connections import Source, Subscription
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.dashboards import Grafana
from tests.mailing import Sink
from tests.receiving import Receiver

TO = "ann@acme.example"  # whom it goes on to, where it goes on
SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICE = Notice(
    Turn.STARTING, 1_700_000_000.5, "rel-7", 1_699_999_990.25, "rel-7 on wine/production is starting",
    "cause: a push", model="wine", environment="production", target="wine/production", number=3,
    phase="starting", version="v-1f0c", cause="a push", author="ann",
)  # fmt: skip
LATER = replace(
    NOTICE, turn=Turn.PROMOTED, at=NOTICE.at + 60, phase="promoted", observed=100.0,
    title="rel-7 on wine/production is promoted",
)  # fmt: skip


class InMemory:
    """Everything is done by hand."""

    def __init__(self):
        self.receiver = MemoryReceiver()

    def told(self):
        return [(one.turn.value, one.title) for one in self.receiver.told]

    def fails(self):
        self.receiver.fails = Retry("it is down")

    def refuses(self):
        self.receiver.fails = Refused("it wants nothing")


class Posted:
    """The webhook, at a receiver over HTTP."""

    def __init__(self, server, home):
        self.server = server
        server.secrets = (SECRET,)
        (home / "secrets").mkdir()
        (home / "secrets" / "hook-ops").write_bytes(SECRET + b"\n")
        source = Source("ops", "webhook", server.url)
        self.receiver = plugins.load("receivers", "webhook").open(Settings(home=home), source)

    def told(self):
        found = self.server.told.values()
        return [(one["type"].removeprefix("release."), one["data"]["title"]) for one in found]

    def fails(self):
        self.server.script = [(503, {})]

    def refuses(self):
        self.server.script = [(400, {})]


class Mailed:
    """Mail to one person, by SMTP on this machine."""

    def __init__(self, sink, home):
        self.sink = sink
        wanted = Subscription((), "segue@acme.example", (("ann@acme.example", "*"),))
        source = Source("mail", "email", sink.url, subscription=wanted)
        self.receiver = plugins.load("receivers", "email").open(Settings(home=home), source)

    def told(self):
        """Each mail once, as whoever keeps mail shows them: by Message-ID."""
        found = {mail["Message-ID"]: mail for mail in self.sink.mails()}.values()
        titles = [mail.get_body(("plain",)).get_content().splitlines()[0] for mail in found]
        known = {NOTICE.title: "starting", LATER.title: "promoted"}
        return [(known[title], title) for title in titles]

    def fails(self):
        self.sink.answers = [("DATA", "451 later")]

    def refuses(self):
        self.sink.answers = [("DATA", "554 no")]


class Drawn:
    """Regions in Grafana, which say how a rollout stands; what each said when."""

    def __init__(self, server, home):
        self.server = server
        (home / "secrets").mkdir()
        (home / "secrets" / "login-grafana").write_text(server.token)
        source = Source("grafana", "grafana", server.url)
        self.receiver = plugins.load("receivers", "grafana").open(Settings(home=home), source)

    def told(self):
        known = {"running": "starting"}
        said = [
            (tags[-1].removeprefix("outcome:"), text.split("\n")[0]) for _, text, tags in self.server.history
        ]
        return [(known.get(outcome, outcome), title) for outcome, title in said]

    def fails(self):
        self.server.script = [(503, {"message": "down"})]

    def refuses(self):
        self.server.script = [(400, {"message": "no"})]


KEEP_ALL = (
    "memory",
    "webhook",
    "email",
)  # a region in Grafana says how a rollout stands, and keeps no notices


@pytest.fixture(params=[*KEEP_ALL, "grafana"])
def world(request, tmp_path):
    if request.param == "grafana":
        with Grafana() as server:
            yield Drawn(server, tmp_path)
        return
    if request.param == "email":
        with Sink(host="127.0.0.1") as sink:
            yield Mailed(sink, tmp_path)
        return
    if request.param == "memory":
        yield InMemory()
        return
    with Receiver() as server:
        yield Posted(server, tmp_path)


def test_it_is_told_in_order(world):
    assert world.receiver.check()
    world.receiver.tell(NOTICE, TO)
    world.receiver.tell(LATER, TO)
    assert world.told() == [("starting", NOTICE.title), ("promoted", LATER.title)]


def test_the_same_notice_again_is_known_for_the_same(world):
    for _ in range(3):
        world.receiver.tell(NOTICE, TO)
    assert len(world.told()) == 1


@pytest.mark.parametrize("world", KEEP_ALL, indirect=True)
def test_notices_that_differ_in_one_thing_are_two(world):
    others = (
        replace(NOTICE, about="rel-8"),
        replace(NOTICE, turn=Turn.PAUSED),
        replace(NOTICE, at=NOTICE.at + 0.001),
        replace(NOTICE, began=NOTICE.began + 0.001),
    )
    for one in (NOTICE, *others):
        world.receiver.tell(one, TO)
    assert len(world.told()) == 1 + len(others)


def test_one_that_is_down_is_told_later_and_one_that_does_not_want_it_never(world):
    world.fails()
    with pytest.raises(Retry):
        world.receiver.tell(NOTICE, TO)
    world.refuses()
    with pytest.raises(Refused):
        world.receiver.tell(NOTICE, TO)
    assert world.told() == []
