"""What every traffic router must do: Traefik as a real process, and the one in memory."""

import threading
from dataclasses import replace

import pytest

from service.adapters.memory.router import MemoryRouter
from service.adapters.traefik.router import TraefikRouter
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route
from tests.running import Traefik

TARGET = "fraud/production"


@pytest.fixture(params=["memory", "traefik"])
def router(request, tmp_path):
    if request.param == "memory":
        yield MemoryRouter()
        return
    traefik = Traefik(tmp_path / "home").start()
    yield TraefikRouter.open(traefik.settings)
    traefik.kill()


@pytest.fixture
def backend():
    """How a backend of that name is written for the router under test."""
    return lambda name, weight: Backend(name, "http://127.0.0.1:9001", weight)


@pytest.fixture
def split(backend):
    """Makes a route: the stable version and a candidate that has so many percent."""

    def make(weight, epoch=1, target=TARGET, sticky="none"):
        prefix = target.replace("/", "-")
        two = (backend(f"{prefix}-1", 100.0 - weight), backend(f"{prefix}-2", weight))
        return Route(target, epoch, two, sticky)

    return make


def test_a_target_that_was_never_set_is_none(router):
    assert router.get(TARGET) is None


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.001, 2.5, 100 / 3, 100.0])
def test_a_confirmed_route_is_returned_and_read_back_as_written(router, weight, split):
    assert router.set(split(weight)) == split(weight)
    assert router.get(TARGET) == split(weight)


def test_writing_the_same_route_twice_is_fine(router, split):
    assert router.set(split(5.0)) == router.set(split(5.0))


def test_the_same_and_a_newer_epoch_may_write_and_an_older_may_not(router, split):
    router.set(split(10.0, epoch=5))
    router.set(split(20.0, epoch=5))
    router.set(split(30.0, epoch=6))
    with pytest.raises(Refused, match="epoch 6"):
        router.set(split(100.0, epoch=5))
    assert router.get(TARGET) == split(30.0, epoch=6)


def test_within_an_epoch_an_older_write_changes_nothing(router, split):
    newer = replace(split(0.0, epoch=5), attempt=2)
    assert router.set(newer) == router.set(newer) == router.get(TARGET) == newer
    with pytest.raises(Refused, match="older write"):
        router.set(replace(split(60.0, epoch=5), attempt=1))
    with pytest.raises(Refused, match="older write"):
        router.remove(TARGET, 5, 1)
    assert router.get(TARGET) == newer
    router.remove(TARGET, 5, 3)
    with pytest.raises(Refused, match="older write"):
        router.set(replace(split(60.0, epoch=5), attempt=2))
    assert router.set(split(10.0, epoch=6)) == router.get(TARGET)


def test_what_is_for_one_change_by_somebody_else_is_written_over_nothing_else(router, split):
    router.set(split(10.0, epoch=5))
    with pytest.raises(Refused, match="is as it was written again"):
        router.set(replace(split(60.0, epoch=6), over="somebody gave it 60 %"))
    assert router.get(TARGET) == split(10.0, epoch=5)


def test_targets_have_epochs_of_their_own(router, split):
    router.set(split(10.0, epoch=9))
    other = split(20.0, epoch=1, target="fraud/staging")
    router.set(other)
    assert router.get("fraud/staging") == other
    assert router.get(TARGET) == split(10.0, epoch=9)


def test_a_removed_target_is_gone_and_may_be_removed_again(router, split):
    router.set(split(10.0))
    router.remove(TARGET, 1)
    router.remove(TARGET, 1)
    assert router.get(TARGET) is None


def test_an_older_epoch_neither_removes_a_target_nor_brings_a_removed_one_back(router, split):
    router.set(split(10.0, epoch=3))
    with pytest.raises(Refused, match="epoch 3"):
        router.remove(TARGET, 2)
    router.remove(TARGET, 4)
    with pytest.raises(Refused, match="epoch 4"):
        router.set(split(10.0, epoch=3))
    assert router.get(TARGET) is None
    router.set(split(10.0, epoch=4))
    assert router.get(TARGET) == split(10.0, epoch=4)


def test_removing_an_unknown_target_remembers_its_epoch(router, split):
    router.remove(TARGET, 7)
    with pytest.raises(Refused, match="epoch 7"):
        router.set(split(10.0, epoch=6))


def test_writers_that_race_leave_the_newest_epoch(router, split):
    """Two threads write odd and even epochs; whoever is late is refused, and nothing is torn."""
    wrong = []

    def write(epochs):
        for epoch in epochs:
            try:
                router.set(split(float(epoch), epoch))
            except Refused:
                pass
            except Exception as error:  # noqa: BLE001 (Retry is the loser's other fair answer)
                wrong.extend([error] if type(error).__name__ != "Retry" else [])

    threads = [threading.Thread(target=write, args=(range(first, 7, 2),)) for first in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert router.get(TARGET) == split(6.0, epoch=6)


def test_each_target_has_an_address_of_its_own(router):
    assert router.address(TARGET).startswith("http://")
    assert router.address(TARGET).endswith("/fraud/production")


def test_stickiness_is_kept_or_refused_by_name(router, split):
    router.set(split(10.0))
    for epoch, kind in ((2, "cookie"), (3, "header")):
        wanted = split(10.0, epoch, sticky=kind)
        if f"sticky:{kind}" in router.capabilities:
            assert router.set(wanted) == router.get(TARGET) == wanted
            continue
        before = router.get(TARGET)
        with pytest.raises(Refused, match=f"sticky:{kind}"):
            router.set(wanted)
        assert router.get(TARGET) == before


def one(name="a", url="http://127.0.0.1:9001", weight=100.0):
    return (Backend(name, url, weight),)


BAD = {
    "the target has no environment": Route("fraud", 1, one()),
    "the target climbs": Route("../etc", 1, one()),
    "the target holds a backtick": Route("a`b/c", 1, one()),
    "the target holds capitals": Route("Fraud/production", 1, one()),
    "the epoch is negative": Route(TARGET, -1, one()),
    "there is no backend": Route(TARGET, 1, ()),
    "the name holds a quote": Route(TARGET, 1, one(name='a"b')),
    "the name names a provider": Route(TARGET, 1, one(name="api@internal")),
    "the name ends in a line break": Route(TARGET, 1, one(name="a\n")),
    "the name is empty": Route(TARGET, 1, one(name="")),
    "the URL is no URL": Route(TARGET, 1, one(url="127.0.0.1:9001")),
    "the URL is a file": Route(TARGET, 1, one(url="file:///etc/passwd")),
    "the URL has no host": Route(TARGET, 1, one(url="http://:9001")),
    "the URL has a port that is none": Route(TARGET, 1, one(url="http://localhost:99999")),
    "the URL holds a login": Route(TARGET, 1, one(url="http://me:it@localhost:9001")),
    "the URL holds a path": Route(TARGET, 1, one(url="http://localhost:9001/v1")),
    "the URL holds a line break": Route(TARGET, 1, one(url="http://localhost:9001\n")),
    "the weight is not a number": Route(TARGET, 1, one(weight=float("nan"))),
    "the weight is negative": Route(TARGET, 1, (*one(weight=101.0), *one(name="b", weight=-1.0))),
    "the weights add to 90": Route(TARGET, 1, (*one(weight=80.0), *one(name="b", weight=10.0))),
    "the weights are all zero": Route(TARGET, 1, one(weight=0.0)),
    "a backend comes twice": Route(TARGET, 1, (*one(weight=50.0), *one(weight=50.0))),
}


def refused(router, route):
    try:
        router.set(route)
    except Refused:
        return True
    return False


def test_a_route_that_cannot_be_served_is_refused_and_changes_nothing(router, split):
    router.set(split(10.0))
    router.set(split(10.0, target="fraud/staging"))
    assert [why for why, route in BAD.items() if not refused(router, route)] == []
    assert router.get(TARGET) == split(10.0)
    router.set(split(20.0))
    assert router.get(TARGET) == split(20.0)


def test_a_backend_of_another_target_is_refused(router, split):
    """The two would be counted as one."""
    router.set(split(10.0, target="fraud/staging"))
    theirs = Route(TARGET, 1, split(10.0, target="fraud/staging").backends)
    with pytest.raises(Refused, match="belongs to"):
        router.set(theirs)
    assert router.get(TARGET) is None
