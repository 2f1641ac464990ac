"""Work is done in the order of its lane, by one worker at a time, and never for ever."""

import threading
import time
from collections import Counter

import pytest

from service.store.queue import ATTEMPTS, LEASE_SECONDS, OUTLIVED, Lost, Work
from service.store.store import Store


def add(store, *keys, lane="release:1", kind="job"):
    with store.change() as change:
        for key in keys:
            change.add_work(Work(lane, kind, key, "rel-1", {"key": key}))


def finish(store, work):
    with store.change() as change:
        change.finish(work)


def revive(store, number):
    with store.change() as change:
        return change.revive(number)


def test_a_lane_is_done_in_order_and_another_lane_does_not_wait_for_it(store):
    add(store, "a1", "a2", lane="release:1")
    add(store, "b1", lane="release:2")
    first, second = store.claim("w"), store.claim("w")
    assert (first.key, second.key) == ("a1", "b1")
    assert first.body == {"key": "a1"}
    assert store.claim("w") is None
    finish(store, first)
    assert store.claim("w").key == "a2"


def test_the_same_key_is_added_once_even_after_it_was_done(store):
    add(store, "k")
    add(store, "k")
    finish(store, store.claim("w"))
    add(store, "k")
    assert store.due() == []


def test_of_a_releases_evidence_only_the_newest_waits_and_in_the_place_of_the_first(store, clock):
    add(store, "seen 1", lane="evidence:rel-1")
    clock.now += 1
    add(store, "of another", lane="evidence:rel-2")
    clock.now += 1
    add(store, "seen 2", "seen 3", lane="evidence:rel-1")
    first, second = store.claim("w"), store.claim("w")
    assert (first.key, second.key) == ("seen 3", "of another")
    add(store, "seen 4", lane="evidence:rel-1")
    assert store.claim("w") is None, "what somebody is at is not replaced"
    finish(store, first)
    assert store.claim("w").key == "seen 4"


def test_in_a_traffic_lane_the_newest_wanted_state_replaces_older_ones_that_nobody_is_at(store):
    add(store, "w5", lane="traffic:wine")
    at_work = store.claim("w")
    add(store, "w10", lane="traffic:wine")
    add(store, "w25", lane="traffic:wine")
    assert [(work.key, work.state) for work in store.work_of("rel-1")] == [
        ("w5", "running"),
        ("w10", "replaced"),
        ("w25", "pending"),
    ]
    assert store.claim("w") is None
    finish(store, at_work)
    assert store.claim("w").key == "w25"


def test_a_wanted_state_that_could_not_be_written_is_not_tried_again_once_a_newer_one_is_wanted(store):
    add(store, "w5", lane="traffic:wine")
    at_work = store.claim("w")
    add(store, "w0", lane="traffic:wine")
    store.retry(at_work, 0.0, "the router does not confirm")
    assert store.claim("w").key == "w0"


def test_a_wanted_state_whose_writer_died_gives_way_to_a_newer_one(store, clock):
    add(store, "w5", lane="traffic:wine")
    store.claim("w")
    add(store, "w0", lane="traffic:wine")
    clock.now += LEASE_SECONDS
    assert store.claim("w").key == "w0"
    assert [work.state for work in store.work_of("rel-1")] == ["replaced", "running"]


def test_a_repeated_wanted_state_replaces_nothing(store):
    add(store, "w5", lane="traffic:wine")
    finish(store, store.claim("w"))
    add(store, "w10", lane="traffic:wine")
    add(store, "w5", lane="traffic:wine")
    assert store.claim("w").key == "w10"


def test_expired_work_is_claimed_by_another_and_its_first_worker_has_lost_it(store, clock):
    add(store, "k")
    slow = store.claim("slow")
    assert store.claim("other") is None
    clock.now += LEASE_SECONDS
    other = store.claim("other")
    assert (other.epoch, other.attempts) == (slow.epoch + 1, 2)
    with pytest.raises(Lost):
        finish(store, slow)
    with pytest.raises(Lost):
        store.again(slow, 0.0)
    with pytest.raises(Lost):
        store.retry(slow, 0.0, "late")
    with pytest.raises(Lost):
        store.renew(slow)
    finish(store, other)


def test_a_change_that_holds_the_answer_of_lost_work_is_not_stored(store, clock):
    add(store, "k")
    slow = store.claim("slow")
    clock.now += LEASE_SECONDS
    store.claim("other")

    def answer(change):
        change.record("rel-1", "segue", "built")
        change.add_work(Work("release:1", "next", "k2", "rel-1"))
        change.finish(slow)

    with pytest.raises(Lost):
        store.decide(answer)
    assert store.record_of() == []
    assert [work.key for work in store.work_of("rel-1")] == ["k"]


def test_what_was_told_since_a_lease_ended_is_told_once_more_in_its_order(store, clock):
    """Its first worker may wake, and write over it."""
    add(store, "begun", "on", "over", lane="notify:git:c1", kind="ReportCommit")
    add(store, "tag", lane="notify:git:c1", kind="TagVersion")
    late = store.claim("zombie")
    clock.now += LEASE_SECONDS + 1
    while work := store.claim("w"):
        finish(store, work)
    assert store.outlive(late) == 2
    again = []
    while work := store.claim("w"):
        again.append(work.key)
        finish(store, work)
    assert again == ["on", "over"]


def test_nothing_is_done_once_more_that_is_no_telling(store, clock):
    add(store, "build", "check")
    late = store.claim("zombie")
    clock.now += LEASE_SECONDS + 1
    while work := store.claim("w"):
        finish(store, work)
    assert store.outlive(late) == 0
    assert store.due() == []


def test_a_renewed_lease_is_kept(store, clock):
    add(store, "k")
    work = store.claim("w")
    clock.now += LEASE_SECONDS - 1
    store.renew(work)
    clock.now += LEASE_SECONDS - 1
    assert store.claim("other") is None
    finish(store, work)


def test_looking_again_at_what_was_performed_is_no_failed_attempt(store, clock):
    add(store, "k")
    for _ in range(5 * ATTEMPTS):
        work = store.claim("w")
        assert (work.attempts, work.exhausted) == (1, False)
        store.again(work, clock.now + 2)
        assert store.claim("w") is None
        clock.now += 2
    assert store.claim("w").started == 1000.0


def test_answers_that_say_not_now_are_counted_apart_from_workers_that_died(store, clock):
    add(store, "k")
    for count in range(3):
        work = store.claim("w")
        assert (work.attempts, work.retries, work.started) == (1, count, None)
        store.retry(work, clock.now, "busy")
    work = store.claim("w")
    store.retry(work, clock.now, "a kind that only newer code knows", counted=False)
    again = store.claim("w")
    assert (again.retries, again.error) == (3, "a kind that only newer code knows")


def test_work_that_kills_its_worker_is_performed_five_times_and_ends_dead(store, clock):
    add(store, "poison")
    add(store, "behind it")
    performed = answered = 0
    while (work := store.claim("w")) and work.key == "poison":
        performed += not work.exhausted
        answered += work.exhausted
        clock.now += LEASE_SECONDS
    assert (performed, answered) == (ATTEMPTS, ATTEMPTS)
    assert work.key == "behind it"
    assert [dead.key for dead in store.dead()] == ["poison"]


def test_whoever_only_stood_still_and_lives_is_no_attempt_of_the_work(store, clock):
    add(store, "k")
    sleepers = []
    for _ in range(2 * ATTEMPTS):
        sleepers.append(store.claim("w"))
        clock.now += LEASE_SECONDS
        if len(sleepers) > 2:  # it wakes while others stand still
            store.outlive(sleepers.pop(0))
    work = store.claim("w")
    assert not work.exhausted
    finish(store, work)


def test_who_was_answered_for_since_takes_nothing_from_later_attempts(store, clock):
    add(store, "k")
    late = store.claim("zombie")
    clock.now += LEASE_SECONDS
    store.retry(store.claim("w"), clock.now, "busy")
    store.claim("w")
    store.outlive(late)
    clock.now += LEASE_SECONDS
    assert store.claim("w").attempts == 2


def test_work_that_stops_its_worker_each_time_for_longer_than_a_lease_ends_too(store, clock):
    add(store, "poison")
    performed, sleeper = 0, None
    while (work := store.claim("w")) is not None:
        performed += not work.exhausted
        clock.now += LEASE_SECONDS
        if sleeper is not None:
            store.outlive(sleeper)
        sleeper = work
    assert OUTLIVED < performed < 4 * ATTEMPTS
    assert [dead.key for dead in store.dead()] == ["poison"]
    assert "10 times" in store.dead()[0].error


def test_dead_work_can_be_revived_once(store):
    add(store, "k")
    work = store.claim("w")
    with store.change() as change:
        change.fail(work, "refused: no such bucket")
    assert store.dead()[0].error == "refused: no such bucket"
    assert revive(store, work.id)
    assert not revive(store, work.id)
    assert store.claim("w").attempts == 1


def test_a_dead_wanted_state_is_not_revived_once_there_was_a_newer_one(store):
    add(store, "w5", lane="traffic:wine")
    work = store.claim("w")
    with store.change() as change:
        change.fail(work, "refused")
    add(store, "w0", lane="traffic:wine")
    finish(store, store.claim("w"))
    assert not revive(store, work.id)


def test_a_dead_report_is_not_revived_once_newer_work_of_its_kind_was_done_there(store):
    add(store, "pending", lane="notify:git:1f0c", kind="ReportCommit")
    add(store, "tag", lane="notify:git:1f0c", kind="TagVersion")
    report, tag = fail(store), fail(store)
    add(store, "success", lane="notify:git:1f0c", kind="ReportCommit")
    finish(store, store.claim("w"))
    assert not revive(store, report.id)
    assert revive(store, tag.id)


def fail(store):
    work = store.claim("w")
    with store.change() as change:
        change.fail(work, "refused")
    return work


def test_trouble_is_as_old_as_the_first_of_the_answers_that_were_no_good_in_a_row(store, clock):
    add(store, "k")
    for _ in range(3):
        store.retry(store.claim("w"), clock.now, "away", counted=False)
        clock.now += 10
    work = store.claim("w")
    assert work.in_trouble(clock.now) == 30
    store.again(work, clock.now)
    work = store.claim("w")
    assert (work.troubled, work.in_trouble(clock.now)) == (None, 0)
    store.retry(work, clock.now, "away", counted=False)
    clock.now += 5
    assert store.claim("w").in_trouble(clock.now) == 5


def test_what_was_given_up_long_ago_is_forgotten_with_what_could_have_replaced_it(store, clock):
    add(store, "k")
    fail(store)
    assert store.forget_work(clock.now) == 0
    assert store.forget_work(clock.now + 1) == 1
    assert store.dead() == []


def test_work_waits_for_its_time(store, clock):
    with store.change() as change:
        change.add_work(Work("tick:1", "tick", "t", "rel-1", not_before=1010.0))
    assert store.due() == []
    assert store.claim("w") is None
    clock.now = 1010.0
    assert store.due() == [1]
    assert store.claim("w").key == "t"


def test_claims_choose_by_kind_by_lane_or_by_id(store):
    add(store, "build", lane="release:1", kind="build")
    add(store, "weight", lane="traffic:wine", kind="weight")
    add(store, "note", lane="notify:git", kind="comment")
    assert store.claim("w", kinds=["comment", "status"]).key == "note"
    assert store.claim("w", lanes=["traffic:", "notify:"]).key == "weight"
    assert store.claim("w", number=2) is None
    assert store.claim("w", number=1).key == "build"


def test_claims_by_id_keep_the_order_of_the_lane(store):
    add(store, "a1", "a2")
    assert store.claim("w", number=2) is None


def test_four_workers_do_each_work_once_and_every_lane_in_order(database_url):
    store = Store.open(database_url)
    keys = [f"{lane}:{nth}" for lane in range(5) for nth in range(8)]
    with store.change() as change:
        for key in keys:
            change.add_work(Work(f"release:{key[0]}", "job", key, "rel-1"))
    done, lock, troubles = [], threading.Lock(), []

    def worker(name):
        try:
            while len(done) < len(keys):
                work = store.claim(name)
                if work is None:
                    time.sleep(0.01)  # who only asks must not keep the others from writing
                    continue
                with lock:
                    done.append(work.key)
                finish(store, work)
        except BaseException as error:
            troubles.append(error)
            raise

    threads = [threading.Thread(target=worker, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert troubles == []
    assert Counter(done) == Counter(keys)
    for lane in "01234":
        assert [key for key in done if key[0] == lane] == [f"{lane}:{nth}" for nth in range(8)]


def test_zombies_among_four_workers_never_store_an_answer(database_url, clock):
    """Every claim is made again after its lease by all four; only the last epoch's answer counts."""
    store = Store.open(database_url, clock)
    add(store, "k")
    claims = []
    for n in range(4):
        claims.append(store.claim(f"w{n}"))
        clock.now += LEASE_SECONDS
    outcomes, barrier = [None] * 4, threading.Barrier(4)

    def answer(n):
        barrier.wait()
        try:
            finish(store, claims[n])
            outcomes[n] = "stored"
        except Lost:
            outcomes[n] = "lost"

    threads = [threading.Thread(target=answer, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert outcomes == ["lost", "lost", "lost", "stored"]


def test_what_the_dead_held_is_free_at_once(store, clock):
    with store.change() as change:
        change.add_work(Work("traffic:wine", "SetTraffic", "k1", "rel-1"))
        change.add_work(Work("work:v", "Build", "k2", "v"))
    dead, living = store.claim("dead"), store.claim("living")
    with store.read() as read:
        assert sorted(read.owners()) == ["dead", "living"]
    assert store.free(["dead", "nobody"]) == 1
    again = store.claim("other")
    assert (again.id, again.attempts) == (dead.id, 2)
    with pytest.raises(Lost):
        store.renew(dead)
    store.renew(living)
