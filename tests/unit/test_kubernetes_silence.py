"""When a server that does not answer is asked, and when whoever wants to ask it is told so at once."""

import pytest

from service.adapters.kubernetes.silence import ALONE, Silence
from service.ports.outcomes import Retry

SECONDS = 2.0


class Server:
    """What it answers to the question whether it is ready; None: nothing."""

    def __init__(self):
        self.now, self.status, self.asked = 100.0, None, 0
        self.silence = Silence(lambda: self.now)

    def question(self):
        self.asked += 1
        return self.status

    def heed(self):
        self.silence.heed("far", self.question, SECONDS)

    def times_out(self):
        self.silence.listen(self.question, SECONDS)


@pytest.fixture
def server():
    return Server()


@pytest.mark.parametrize("status", [200, 401, 403, 404])
def test_one_call_that_hangs_is_no_server_that_does(server, status):
    server.status = status
    server.times_out()
    server.heed()
    assert server.asked == 1


@pytest.mark.parametrize("status", [None, 429, 500, 503])
def test_a_server_that_is_silent_or_not_ready_is_left_alone_without_being_asked(server, status):
    server.status = status
    server.times_out()
    server.now += ALONE * SECONDS - 0.1
    with pytest.raises(Retry, match="the cluster far takes calls and does not answer") as raised:
        server.heed()
    assert (server.asked, raised.value.after) == (1, pytest.approx(0.1))


def test_then_one_asks_and_the_others_go_by(server):
    server.times_out()
    server.now += ALONE * SECONDS
    for _ in range(3):
        with pytest.raises(Retry):
            server.heed()
    assert server.asked == 2
    server.now += ALONE * SECONDS
    server.status = 500
    server.heed()
    with pytest.raises(Retry):
        server.heed()
    assert server.asked == 3, "whoever found an answer is about to hear whether it answers calls, too"
    server.silence.end()
    server.heed()
    assert server.asked == 3


def test_what_is_known_of_an_address_is_known_to_all_who_ask_there():
    one, other = (Silence.of("https://far.example", None) for _ in range(2))
    assert one is other
    assert Silence.of("https://far.example", "http://proxy.example") is not one
