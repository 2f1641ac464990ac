"""Limits of the operator on many targets at once, on both stores: never exceeded, nobody is stuck or put off."""

import threading

import pytest

from policies.events import Command, TrafficObserved, VersionReady
from policies.limits import Limits
from policies.place import Place
from policies.release import HOLDING, Cause, Phase, Release
from policies.spec.declaration import Environment
from service.engine.deciding import decide
from service.store.states import release_of
from service.store.store import Store


def start(store, model, environment="production", cluster=None):
    """A release that is ready: it has taken its turn, or waits for room."""
    target = f"{model}/{environment}"
    new = Release(
        "", 0, model, target, Environment(environment), "v1", f"{model}-v1", Cause("push", "ann"),
        place=Place(cluster=cluster, namespace="ml" if cluster else ""),
    )  # fmt: skip
    name = decide(store, lambda deciding: deciding.create(new))
    return decide(store, lambda deciding: deciding.release_event(name, VersionReady("sha256:1", (), 1.0)))


def end(store, name):
    """Somebody ends it, and the router confirms."""
    abort = Command("abort", name, None, None, "bob", "cli", 2.0)
    taken = decide(store, lambda deciding: deciding.release_event(name, abort))
    confirmed = TrafficObserved(taken.step, taken.epoch, 0.0, 3.0)
    return decide(store, lambda deciding: deciding.release_event(name, confirmed))


def phases(store):
    return {row.name: Phase(row.phase) for row in store.releases(limit=1000)}


@pytest.fixture
def limited(store):
    store.limits = Limits(per_model=2, per_cluster=3)
    return store


def test_what_has_no_room_says_so_and_goes_on_in_the_order_in_which_it_came(limited):
    for environment in ("a", "b", "c"):
        start(limited, "wine", environment)
    churn, beer, ale = (start(limited, model) for model in ("churn", "beer", "ale"))
    assert list(phases(limited).values()).count(Phase.STARTING) == 3
    assert "2 releases of wine are" in release_of(limited.release(3)).waits
    assert churn.phase is Phase.STARTING
    assert "3 releases on this machine are" in beer.waits
    end(limited, "rel-4")  # churn's: there is room for another model only
    assert phases(limited)[beer.name] is Phase.STARTING
    end(limited, "rel-1")  # wine's: its own third has waited longer than ale
    assert phases(limited)["rel-3"] is Phase.STARTING
    assert phases(limited)[ale.name] is Phase.QUEUED
    end(limited, "rel-2")
    assert phases(limited)[ale.name] is Phase.STARTING
    assert release_of(limited.release(6)).waits == ""


def test_each_cluster_has_room_of_its_own(limited):
    for number in range(3):
        start(limited, f"here{number}")
    there = [start(limited, f"there{number}", cluster="prod") for number in range(4)]
    assert [release.phase for release in there] == [*[Phase.STARTING] * 3, Phase.QUEUED]
    assert "3 releases in cluster prod are" in there[3].waits
    end(limited, "rel-1")
    assert phases(limited)[there[3].name] is Phase.QUEUED
    end(limited, there[0].name)
    assert phases(limited)[there[3].name] is Phase.STARTING


def test_a_target_that_always_has_something_newer_does_not_keep_the_room_for_itself(limited):
    limited.limits = Limits(per_cluster=1)
    flood = [start(limited, "flood") for _ in range(3)]
    wine = start(limited, "wine")
    late = start(limited, "flood")
    end(limited, flood[0].name)
    assert phases(limited)[late.name] is Phase.STARTING, "its target has waited longest; its newest goes"
    late_again = start(limited, "flood")
    end(limited, late.name)
    assert phases(limited)[wine.name] is Phase.STARTING
    assert phases(limited)[late_again.name] is Phase.QUEUED


def test_without_limits_everything_goes_at_once(store):
    assert {start(store, f"m{number}").phase for number in range(5)} == {Phase.STARTING}


@pytest.mark.timeout(120)
def test_who_counts_and_who_ends_at_the_same_time_leave_nobody_waiting_for_nothing(database_url):
    """Each thread starts a release and ends it once it is on its way; at last all have ended."""
    limits, seen, wrong = Limits(per_cluster=2), threading.Lock(), []

    def work(number):
        mine = Store.open(database_url, limits=limits)
        try:
            name = start(mine, f"m{number}").name
            while phases(mine)[name] is Phase.QUEUED:
                pause.wait(0.02)
            with seen:
                held = sum(phase in HOLDING for phase in phases(mine).values())
                if held > 2:
                    wrong.append(held)
            end(mine, name)
        finally:
            mine.close()

    pause = threading.Event()
    Store.open(database_url, limits=limits).close()
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for nothing"
    assert wrong == []
