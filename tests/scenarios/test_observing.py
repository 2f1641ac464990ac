"""How often counters are read: at each interval while a rollout is judged, now and then while none is."""


def readings(world):
    """A list that grows with each reading of the counters."""
    seen, sample = [], world.metrics.sample

    def counting():
        seen.append(world.clock.now)
        return sample()

    world.metrics.sample = counting
    return seen


def test_counters_are_read_seldom_while_nothing_is_judged_and_nothing_that_was_served_is_lost(world):
    first = world.live()
    seen = readings(world)
    world.serve(100)
    world.play(60)
    assert 5 <= len(seen) <= 7
    assert not world.observer.watching
    counted = world.metrics.sample().backends
    served = sum(one.requests for one in world.observer.series.history("wine/production", first.backend))
    total = dict(counted)[first.backend].requests
    assert served >= total - 20 * 100


def test_counters_are_read_at_each_interval_while_a_rollout_is_judged(world):
    world.live()
    seen = readings(world)
    world.serve(100)
    world.rollout()
    world.play(10)
    assert world.observer.watching
    assert len(seen) >= 10


def test_what_the_store_holds_is_read_when_it_may_have_changed_or_now_and_then(world):
    world.live()
    world.serve(100)
    world.rollout()
    world.observer.look()
    assert world.say("abort", "rel-2").ok
    world.observer.look(changed=False)
    assert world.observer.watching, "nobody said that anything changed"
    world.clock.now += 10
    world.observer.look(changed=False)
    assert not world.observer.watching, "a bell that nobody heard costs some seconds"
