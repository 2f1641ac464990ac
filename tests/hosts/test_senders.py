"""Senders that others wrote: the CloudEvents SDK and the library of Standard Webhooks order, and are obeyed once."""

import pytest

from service.demo.place import segue
from service.demo.traffic import Traffic, request_of
from service.machine.installation import place
from tests.hosts.senders import sent
from tests.installation import TARGET, Installation
from tests.running import wait_until

SECONDS = 120
WAYS = 6  # in which the script sends an order


@pytest.fixture
def here(tmp_path):
    """Two versions that were promoted, so that there is something to go back to."""
    made = Installation(tmp_path / "segue").start()
    try:
        made.connect()
        assert made.release_of(made.push(1), SECONDS)["phase"] == "promoted"
        users = Traffic(request_of(TARGET, made.router(), "predict", {}), rate=60)
        users.start()
        assert made.release_of(made.push(2), SECONDS)["phase"] == "promoted"
        users.end()
        yield made
    finally:
        made.end()


def connect(made, kind, name):
    """The address and the secret that a sender is given."""
    segue(made.place, "connect", kind, "--name", name, "--owns", "echo/*")
    secret = (made.place.home / "secrets" / f"hook-{name}").read_text().strip()
    return f"{place(made.settings).intake}/hooks/{name}", secret


def told(made, source, kind):
    """Deliveries or commands of the source, once all that came was handled."""

    def handled():
        return all(one["state"] == "done" for one in made.client.events(source=source).page().rows)

    wait_until(handled, SECONDS)
    return [one for one in made.client.events(source=source).page().rows if one["kind"] == kind]


def rolled_back(made, source):
    """The one release that the source's orders began, once it has ended."""
    (release,) = [one for one in made.client.releases().page().rows if one["author"] == source]
    assert release["cause"] == f"{source} rolled {TARGET} back: nightly check"
    assert made.ended(release["name"], SECONDS)["phase"] == "promoted"
    return release["name"]


def test_events_of_the_sdk_are_obeyed_once_each_however_they_are_sent(here):
    url, secret = connect(here, "cloudevents", "bus")
    assert sent("cloud_events.py", url, secret, TARGET) == [202] * 2 * WAYS
    deliveries, commands = (told(here, "bus", kind) for kind in ("delivery", "command"))
    assert [one["text"] for one in deliveries] == ["1 order"] * WAYS
    assert {one["what"] for one in commands} == {f"bus: rollback {TARGET} (nightly check)"}
    assert len(commands) == WAYS
    name = rolled_back(here, "bus")
    began = [
        one
        for one in commands
        if one["text"].startswith(f"{name} switches {TARGET} back to rel-1's version: ")
    ]
    assert len(began) == 1, "the others found it on its way, or had been meant for what it replaced"


def test_an_order_that_the_library_has_signed_is_obeyed_once_and_a_changed_one_not_at_all(here):
    url, secret = connect(here, "hook", "training")
    assert sent("signed_hook.py", url, secret, TARGET) == [202, 202, 401, 401]
    (delivery,) = told(here, "training", "delivery")
    (command,) = told(here, "training", "command")
    assert delivery["what"].startswith("order-1, ")
    assert command["led"] == [rolled_back(here, "training")]
