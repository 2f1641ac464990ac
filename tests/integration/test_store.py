"""The engine's store holds its promises on both databases."""

from dataclasses import replace

import pytest

from policies.roles import Rights, grant
from service.errors import Conflict
from service.ports.connections import Source
from service.store.queue import Work
from service.store.rows import ModelRow, ReleaseRow, TargetRow, Token, VersionRow
from service.store.store import Store


def new_release(change, target="wine/production"):
    number, nth = change.next_release(target)
    row = ReleaseRow(number, "wine", target, nth, "v1", "waiting", final=False, state={"a": 1})
    return change.save_release(row)


def test_a_release_is_read_as_it_was_saved(store):
    with store.change() as change:
        saved = new_release(change)
    assert store.release(1) == saved
    assert saved.name == "rel-1"
    assert saved.rev == 1
    assert store.release(2) is None


def test_numbers_count_within_a_target_and_ids_over_all(store):
    with store.change() as change:
        rows = [new_release(change, target) for target in ("a/p", "a/p", "b/p")]
    assert [(row.id, row.number) for row in rows] == [(1, 1), (2, 2), (3, 1)]


@pytest.mark.parametrize("places", [
    ["wine"], ["*/staging"], ["wine-*/production", "a.b"], ["w*e/p*"], ["_*/*_", "A/*"], ["-/-"], ["*-*/*.*"], [],
])  # fmt: skip
def test_those_who_may_see_some_are_listed_exactly_these(store, places):
    models = ("wine", "wines", "wine-red", "axb", "a.b", "a", "A", "_x", "-", "wi-ne")
    targets = [f"{model}/{name}" for model in models for name in ("production", "staging", "p.1", "q_", "-")]
    with store.change() as change:
        for target in targets:
            new_release(change, target)
    rights = Rights(tuple(grant("viewer", place) for place in places))
    listed = [row.target for row in store.releases(among=rights.targets("see"))]
    assert listed[::-1] == [target for target in targets if rights.may("see", target)]


def test_a_release_saved_from_an_old_reading_is_a_conflict_and_nothing_of_the_change_is_stored(store):
    with store.change() as change:
        old = new_release(change)
    with store.change() as change:
        change.save_release(replace(old, phase="building"))

    def abort(change):
        change.add_work(Work("notify:a", "comment", "k", "rel-1"))
        change.record("rel-1", "ann", "abort")
        change.save_release(replace(old, phase="aborted"))

    with pytest.raises(Conflict):
        store.decide(abort)
    assert store.release(1).phase == "building"
    assert store.due() == []
    assert store.record_of() == []


def test_a_new_row_under_a_known_key_is_a_conflict(store):
    with store.change() as change:
        change.save_version(VersionRow("v1", "wine", {}))
        change.save_target(TargetRow("wine/production", {}))
    with pytest.raises(Conflict), store.change() as change:
        change.save_version(VersionRow("v1", "wine", {}))
    with pytest.raises(Conflict), store.change() as change:
        change.save_target(TargetRow("wine/production", {}))


def test_a_decision_is_made_anew_from_fresh_reads_where_another_came_first(store):
    with store.change() as change:
        change.save_target(TargetRow("t", {"n": 0}))
    seen = []

    def increment(change):
        row = change.target("t")
        if not seen:
            # Somebody else's change, stored between our read and our write.
            change.save_target(replace(row, state={"n": 99}))
            row = replace(row, rev=0)
        seen.append(row.state["n"])
        change.save_target(replace(row, state={"n": row.state["n"] + 1}))

    store.decide(increment)
    assert seen == [0, 0]
    assert store.target("t").state == {"n": 1}


def test_releases_are_found_by_their_columns_and_paged(store):
    with store.change() as change:
        rows = [new_release(change, f"wine/{n % 2}") for n in range(5)]
        change.save_release(replace(rows[4], final=True, phase="done"))
    assert [row.id for row in store.releases(limit=2)] == [5, 4]
    assert [row.id for row in store.releases(limit=2, before=4)] == [3, 2]
    assert [row.id for row in store.releases(target="wine/0", final=False)] == [3, 1]
    assert [row.id for row in store.releases(final=True)] == [5]
    assert [row.id for row in store.releases(phase="done", model="wine", version_key="v1")] == [5]


def test_a_webhook_and_a_sweep_that_tell_the_same_change_are_one_event(store):
    with store.change() as change:
        assert change.observe("git", "refs/heads/main", "c1", 1.0) == 1
        assert change.observe("git", "refs/heads/main", "c1", 2.0) is None
    with store.change() as change:
        assert change.observe("git", "refs/heads/main", "c1", 3.0) is None


def test_an_alias_that_goes_forth_and_back_and_forth_is_three_events(store):
    with store.change() as change:
        told = [change.observe("mlflow", "wine@champion", v, 1.0) for v in ("v2", "v1", "v2")]
    assert told == [1, 2, 3]


def test_a_reference_that_goes_is_an_event_and_one_never_seen_is_none(store):
    with store.change() as change:
        assert change.observe("git", "refs/tags/x", None, 1.0) is None
        assert change.observe("git", "refs/tags/x", "c1", 2.0) == 1
        assert change.observe("git", "refs/tags/x", None, 3.0) == 2
        assert change.observe("git", "refs/tags/x", None, 4.0) is None
        assert change.observe("other", "refs/tags/x", "c1", 5.0) == 1
    assert [(c.value, c.sequence) for c in store.cursors("git")] == [(None, 2)]


def test_sources_models_tokens_and_answers_are_kept(store, clock):
    source = Source("git", "bare", "/srv/wine.git", ("wine/*",))
    model = ModelRow("wine", "git", "models/wine", "c1", {"name": "wine"})
    with store.change() as change:
        change.save_source(source)
        change.save_model(model)
        change.save_model(replace(model, commit="c2"))
        change.save_token(Token("ci", "ff", "deployer", 1.0, expires=2000.0))
        change.save_answer("d1", {"text": "approved"})
        change.save_answer("d1", {"text": "approved twice"})
    assert store.sources() == [source]
    assert store.models("git") == [replace(model, commit="c2")]
    assert store.token("ff").name == "ci"
    assert store.answer("d1") == {"text": "approved"}
    assert store.answer("d2") is None
    clock.now = 2000.0
    assert store.token("ff") is None
    with store.change() as change:
        assert change.remove_token("ci")
        change.remove_source("git")
        change.remove_model("wine")
    assert store.sources() == store.models() == store.tokens() == []


def test_a_duty_has_one_owner_and_its_epoch_grows_with_each_change_of_owner(store, clock):
    assert store.acquire("reconcile", "a", 10) == 1
    assert store.acquire("reconcile", "b", 10) is None
    assert store.acquire("reconcile", "a", 10) == 1
    clock.now += 10
    assert store.acquire("reconcile", "b", 10) == 2
    assert store.acquire("reconcile", "a", 10) is None


def test_work_of_a_change_is_there_once_it_is_stored_and_its_ids_are_told(store):
    with store.change() as change:
        change.add_work(Work("notify:b", "comment", "k1", "rel-1", {"text": "hello"}))
        change.add_work(Work("notify:a", "comment", "k2", "rel-1"))
        change.add_work(Work("notify:a", "comment", "k2", "rel-1"))
    assert list(change.added) == store.due()
    assert len(change.added) == 2
    assert [work.key for work in store.work_of("rel-1")] == ["k2", "k1"]


def test_the_store_without_a_clock_of_a_test_knows_the_time(database_url):
    store = Store.open(database_url)
    assert store.now() > 1.7e9
    store.close()
