"""What a real Distribution 2.8 sent: tags that were pushed and removed hint, a pull and a bare digest do not."""

import pytest

from handlers import registry
from handlers.errors import Unverified
from handlers.hints import TagHint
from tests.deliveries import recorded

SENT = {one.name: one for one in recorded("registry")}
HINTS = {
    "001": "1.4.0",
    "002": "stable",
    "003": None,  # a pull
    "004": "stable",
    "005": "docker",  # a manifest of Docker's older kind
    "006": None,  # a removed digest: its tags are told by themselves
    "007": "1.4.0",
}


@pytest.mark.parametrize("name", HINTS)
def test_each_is_verified_by_what_it_carries_and_says_which_tag(name):
    one = SENT[name]
    registry.verify(one.headers, one.body, (one.secret,), 0.0)
    with pytest.raises(Unverified):
        registry.verify(one.headers, one.body, (b"another",), 0.0)
    expected = () if HINTS[name] is None else (TagHint("team/fraud", HINTS[name]),)
    assert registry.parse(one.headers, one.body) == expected


def test_all_that_were_recorded_are_told_apart():
    ids = {registry.delivery_id(one.headers, one.body) for one in SENT.values()}
    assert len(ids) == len(SENT) == len(HINTS)
