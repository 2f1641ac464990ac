"""One model's backlog does not hold up another's work, and nobody is put off for ever."""

from collections import Counter

from service.store.queue import Work
from service.store.store import Store


def add(store: Store, party: str, count: int, lane: str = "work:{}:{}") -> None:
    with store.change() as change:
        for number in range(count):
            name = lane.format(party, number)
            change.add_work(Work(name, "Build", f"{name}/{number}/{store.now()}", party, party=party))


def serve(store: Store, count: int) -> list[str]:
    """For whom the next so many pieces were, done one after the other."""
    served = []
    for _ in range(count):
        work = store.claim("w")
        served.append(work.subject)
        with store.change() as change:
            change.finish(work)
    return served


def test_a_model_with_a_thousand_queued_works_delays_another_by_one(store, clock):
    add(store, "flood", 1000)
    clock.now += 5
    add(store, "wine", 1)
    assert serve(store, 2) == ["flood", "wine"]
    clock.now += 1
    add(store, "wine", 1)
    assert serve(store, 2) == ["wine", "flood"]


def test_backlogs_are_served_in_turn_whatever_their_length(store, clock):
    add(store, "flood", 100)
    clock.now += 1
    add(store, "wine", 10)
    add(store, "churn", 10)
    served = serve(store, 30)
    assert Counter(served) == {"flood": 10, "wine": 10, "churn": 10}
    assert all(sorted(served[n : n + 3]) == ["churn", "flood", "wine"] for n in range(0, 30, 3))


def test_a_lane_in_order_is_a_party_of_its_own(store, clock):
    """As deliveries of one source: its next one competes with what others have added meanwhile."""
    with store.change() as change:
        for number in range(50):
            change.add_work(Work("delivery:flood", "delivery", f"f{number}", "flood"))
    clock.now += 1
    add(store, "wine", 1)
    assert serve(store, 2) == ["flood", "wine"]


def test_whoever_has_a_backlog_still_gets_one_turn_in_each_time_that_a_turn_takes(store, clock):
    """Others who come again and again, each with no backlog, do not put it off for ever."""
    add(store, "flood", 5)
    served = []
    for _ in range(600):
        clock.now += 1
        add(store, "wine", 1)
        served += serve(store, 1)
        if served.count("flood") == 5:
            break
    assert served.count("flood") == 5


def test_traffic_and_commands_wait_behind_no_backlog(store, clock):
    add(store, "wine", 100)
    with store.change() as change:
        change.add_work(Work("traffic:wine/production", "SetTraffic", "t", "traffic", party="wine"))
        for number in range(3):
            change.add_work(Work("command", "command", f"c{number}", "command", party="wine"))
    first, *others = serve(store, 5)
    assert (first, sorted(others)) == ("wine", ["command", "command", "command", "traffic"])


def test_what_is_looked_at_again_is_not_held_up_by_what_is_new(store, clock):
    add(store, "wine", 1)
    begun = store.claim("w")
    store.again(begun, clock.now + 1)
    clock.now += 2
    add(store, "flood", 100)
    assert store.claim("w").subject == "wine"
