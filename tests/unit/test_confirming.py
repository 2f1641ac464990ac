"""A write of traffic is waited for until nothing stands against it, and given back to the queue else."""

import pytest

from service.adapters.kubernetes import confirming
from service.ports.outcomes import Retry


def test_it_goes_on_once_nothing_stands_against_it():
    left = ["its controller has not looked yet", "one endpoint is missing", ""]
    confirming.wait("fraud/production", lambda: left.pop(0))
    assert left == []


def test_what_stands_against_it_too_long_is_told(monkeypatch):
    monkeypatch.setattr(confirming, "SECONDS", 0.1)
    with pytest.raises(Retry, match="fraud/production: its controller has not looked yet") as raised:
        confirming.wait("fraud/production", lambda: "its controller has not looked yet")
    assert raised.value.after == 0.5
