"""Rollouts as regions in Grafana: one for each, from start to end, whatever comes twice, late or out of order."""

import html
from dataclasses import replace

import pytest

from policies.notices import Turn
from service.adapters.receivers.grafana import Grafana as Adapter
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.contracts.test_receiver import LATER, NOTICE
from tests.dashboards import Grafana

STEP = replace(
    NOTICE, turn=Turn.STEP, at=NOTICE.at + 30, title="rel-7 on wine/production takes traffic: 25 %"
)


@pytest.fixture
def server():
    with Grafana() as made:
        yield made


@pytest.fixture
def grafana(server, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login-grafana").write_text(server.token)
    settings = Settings(home=tmp_path, web_url="https://segue.example")
    return Adapter.open(settings, Source("grafana", "grafana", f"{server.url}/"))


def region(server):
    (one,) = server.kept.values()
    return one


def test_a_rollout_is_one_region_from_its_start_to_its_end(server, grafana):
    assert grafana.check() == server.url
    assert server.kept == {}
    grafana.tell(replace(NOTICE, registered=("wine", "7")))
    began = region(server)
    assert (began["time"], began["timeEnd"]) == (1_700_000_000_500, 1_700_000_000_500)
    for notice in (STEP, LATER):
        grafana.tell(replace(notice, registered=("wine", "7")))
    ended = region(server)
    assert (ended["time"], ended["timeEnd"]) == (1_700_000_000_500, 1_700_000_060_500)
    assert ended["tags"][0] == "segue"
    assert set(ended["tags"][2:]) == {
        "model:wine", "environment:production", "release:rel-7", "version:7", "outcome:promoted"
    }  # fmt: skip
    assert ended["text"] == f'{LATER.title}\n<a href="https://segue.example/-/releases/rel-7">rel-7</a>'


def test_while_it_goes_on_its_outcome_is_open(server, grafana):
    grafana.tell(NOTICE)
    grafana.tell(STEP)
    assert "outcome:running" in region(server)["tags"]
    assert region(server)["timeEnd"] == 1_700_000_030_500


def test_what_comes_twice_or_late_changes_nothing(server, grafana):
    for notice in (NOTICE, STEP, NOTICE, LATER, LATER, STEP, replace(STEP, at=LATER.at + 60)):
        grafana.tell(notice)
    assert "outcome:promoted" in region(server)["tags"]
    assert region(server)["timeEnd"] == 1_700_000_060_500
    assert len(server.history) == 3


def test_one_that_was_made_and_whose_answer_got_lost_is_found_again(server, grafana):
    grafana.tell(NOTICE)
    other = Adapter.open(grafana._settings, grafana._source)  # another worker, which knows of nothing
    other.tell(NOTICE)
    other.tell(STEP)
    assert len(server.kept) == 1


def test_two_of_one_release_become_one(server, grafana):
    """Whoever had stood still made another."""
    grafana.tell(NOTICE)
    server.kept[2] = region(server) | {"id": 2}
    grafana.tell(STEP)
    assert region(server)["id"] == 1


def test_a_release_that_never_began_has_none_and_each_other_its_own(server, grafana):
    grafana.tell(replace(NOTICE, turn=Turn.REFUSED, about="rel-6"))
    grafana.tell(replace(NOTICE, turn=Turn.PARKED, about="work-3", target=""))
    assert server.kept == {}
    for notice in (NOTICE, replace(NOTICE, about="rel-8"), replace(NOTICE, began=1.0)):
        grafana.tell(notice)
    assert len(server.kept) == 3


def test_one_that_somebody_deleted_meanwhile_is_let_rest(server, grafana):
    grafana.tell(NOTICE)
    answer = server.answer

    def deleted(method, path, query, body):
        if method == "PATCH":
            server.kept.clear()
        return answer(method, path, query, body)

    server.answer = deleted
    grafana.tell(STEP)
    assert server.kept == {}


def test_others_annotations_are_left_alone(server, grafana):
    server.answer("POST", "/api/annotations", {}, {"text": "lunch", "tags": ["segue", "release:rel-7"]})
    before = region(server)
    grafana.tell(NOTICE)
    grafana.tell(LATER)
    assert server.kept[1] == before
    assert len(server.kept) == 2


def test_texts_that_mean_harm_are_text_and_no_tag_is_too_long(server, grafana):
    odd = "<img src=x onerror=alert(1)>\u202e\x1b" + "\u00e9" * 2000
    grafana.tell(replace(NOTICE, title=odd, about=odd, model=odd, environment=odd, version=odd))
    told = region(server)
    assert "<img" not in told["text"]
    assert html.escape("<img src=x") in told["text"]
    assert not set(told["text"] + "".join(told["tags"])) & {"\u202e", "\x1b"}


@pytest.mark.parametrize(
    ("status", "wanted"), [(500, Retry), (429, Retry), (401, Refused), (403, Refused), (400, Refused)]
)
def test_each_refusal_means_what_it_says(server, grafana, status, wanted):
    server.script = [(status, {"message": "no"})]
    with pytest.raises(wanted):
        grafana.tell(NOTICE)


def test_a_wrong_token_is_told_before_anything_is_stored(server, grafana, tmp_path):
    (tmp_path / "secrets" / "login-grafana").write_text("another-token")
    with pytest.raises(Refused, match="login-grafana") as raised:
        grafana.check()
    assert "another-token" not in str(raised.value)


@pytest.mark.parametrize(
    "answer", [{"message": "a page"}, [{"id": "x", "tags": []}], [7], [{"tags": ["segue"]}]]
)
def test_answers_that_are_none_of_grafanas_break_nothing(server, grafana, answer):
    server.script = [(200, answer)]
    try:
        grafana.tell(NOTICE)
    except Retry:
        pass
    assert len(server.kept) <= 1


@pytest.mark.parametrize(
    "url", ["https://ann:secret@grafana.example", "grafana.example", "https://g.example/?x=1"]
)
def test_what_is_no_address_is_refused(tmp_path, url):
    with pytest.raises(Refused):
        Adapter.open(Settings(home=tmp_path), Source("grafana", "grafana", url))
