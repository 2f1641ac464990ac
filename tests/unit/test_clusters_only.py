"""An installation that serves in clusters alone: nothing is ever started beside it."""

import pytest
import requests

from policies.place import Place
from service.bootstrap import build
from service.machine import installation
from service.machine.probe import open_probe
from service.ports.outcomes import Refused
from service.settings import Settings


def test_what_would_serve_on_this_machine_is_refused(tmp_path):
    parts = build(Settings(home=tmp_path, clusters_only=True))
    with pytest.raises(Refused, match="connect a cluster for it: segue cluster NAME --default"):
        parts.at(Place())
    parts.store.close()
    parts.inbox.close()


def test_senders_are_told_the_address_that_they_reach():
    settings = Settings(home="/", host="0.0.0.0", intake_url="https://hooks.example")  # noqa: S104
    assert installation.place(settings).intake == "https://hooks.example"
    assert installation.place(settings).web == "http://0.0.0.0:8471"


def test_a_small_port_answers_where_it_is_told_to():
    port = open_probe(lambda: False, "127.0.0.2")
    assert requests.get(f"http://127.0.0.2:{port}/healthz", timeout=5).status_code == 200
    assert requests.get(f"http://127.0.0.2:{port}/readyz", timeout=5).status_code == 503
