"""When a login is fetched, by whom, and what serves where none is to be had."""

import time
from pathlib import Path

import pytest

from service.adapters.kubernetes.credentials import Credential, Credentials
from service.adapters.kubernetes.kubeconfig import Access, Plugin
from service.ports.outcomes import Refused, Retry


class Giver:
    """Who gives credentials: the next of `gives`, again and again the last; an exception is raised."""

    def __init__(self, *gives):
        self.gives, self.asked, self.now = list(gives), 0, 50.0
        self.credentials = Credentials(self.fetch, lambda: self.now)

    def fetch(self):
        self.asked += 1
        given = self.gives.pop(0) if len(self.gives) > 1 else self.gives[0]
        if isinstance(given, Exception):
            raise given
        return given


def ending(seconds):
    return Credential("token", until=time.time() + seconds)


def test_who_said_not_now_is_not_asked_again_before_it_may_be():
    giver = Giver(Retry("it hangs", after=60), ending(900))
    for now, left in ((0.0, 60), (0.0, 60), (59.0, 1)):
        giver.now = 50.0 + now
        with pytest.raises(Retry, match="it hangs") as raised:
            giver.credentials.current()
        assert raised.value.after == left
    assert giver.asked == 1
    giver.now = 50.0 + 60.0
    assert giver.credentials.current().token == "token"
    assert giver.asked == 2


def test_what_cannot_work_is_asked_for_each_time_as_people_mend_it():
    giver = Giver(Refused("not installed"), ending(900))
    with pytest.raises(Refused):
        giver.credentials.current()
    assert giver.credentials.current().token == "token"


@pytest.mark.parametrize("failure", [Retry("it hangs", after=60), Refused("not installed")])
def test_a_login_serves_to_its_end_where_no_new_one_is_to_be_had(failure):
    old = ending(30)
    giver = Giver(old, failure)
    assert [giver.credentials.current() for _ in range(3)] == [old] * 3
    assert giver.asked > 1, "a new one was asked for before the old one ends"
    giver.credentials.refused(old)
    with pytest.raises(type(failure)):
        giver.credentials.current()


def test_a_login_that_has_ended_serves_nobody():
    giver = Giver(ending(-1), Retry("it hangs", after=60))
    giver.credentials.current()
    with pytest.raises(Retry):
        giver.credentials.current()


def access(*arguments):
    plugin = Plugin("aws", arguments, (), "client.authentication.k8s.io/v1", None)
    return Access({}, None, plugin, None)


def test_a_plugin_is_run_once_for_all_connections_that_use_it_alike():
    one = Credentials.of(access("--cluster", "a"))
    assert Credentials.of(access("--cluster", "a")) is one
    assert Credentials.of(access("--cluster", "b")) is not one
    token_file = Access({}, None, None, Path("token"))
    assert Credentials.of(token_file) is not Credentials.of(token_file)
