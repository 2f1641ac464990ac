"""Connecting who cannot be asked: a secret in the form that its senders know, an address, and nothing to look at."""

import base64

import click
import pytest

from service.arrivals import connecting
from service.cli.main import group
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    return Settings(home=tmp_path)


def test_several_sources_without_an_address_are_connected_each_with_its_own_secret(settings, store):
    for name, kind in (("one", "hook"), ("two", "hook"), ("bus", "cloudevents"), ("alerts", "alertmanager")):
        told = connecting.connect(settings, store, Source(name, kind, ""), "http://segue.example:8470/")
        assert told[0] == f"source {name} ({kind})"
        assert f"http://segue.example:8470/hooks/{name}" in told[-1]
        assert f"secrets/hook-{name}" in told[-1]
    secrets = {name: settings.secret(f"hook-{name}") for name in ("one", "two", "bus", "alerts")}
    assert len(set(secrets.values())) == 4
    for name in ("one", "two", "bus"):
        assert len(base64.b64decode(secrets[name].removeprefix(b"whsec_"), validate=True)) == 32
    assert not secrets["alerts"].startswith(b"whsec_")
    assert [source.name for source in store.sources()] == ["alerts", "bus", "one", "two"]


def test_connecting_again_keeps_the_secret(settings, store):
    source = Source("one", "hook", "")
    connecting.connect(settings, store, source, "http://segue.example")
    first = settings.secret("hook-one")
    connecting.connect(settings, store, source, "http://segue.example")
    assert settings.secret("hook-one") == first


def test_a_name_of_segues_own_is_refused(settings, store):
    with pytest.raises(Refused, match="Segue's own"):
        connecting.connect(settings, store, Source("people", "hook", ""), "http://segue.example")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["connect", "hook", "http://x.example"], "has no URL"),
        (["connect", "alertmanager", "http://x.example"], "has no URL"),
        (["connect", "git"], "write its URL"),
        (["connect", "harbor"], "write its URL"),
    ],
)
def test_a_url_is_given_where_there_is_one_and_nowhere_else(words, said):
    with pytest.raises(click.UsageError, match=said):
        group.main(words, standalone_mode=False)
