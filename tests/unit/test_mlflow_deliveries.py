"""What a real MLflow sent: each of its fifteen events, its retries, and its deliveries that arrive late."""

import pytest

from handlers import mlflow
from handlers.errors import Unverified
from handlers.hints import AliasHint, VersionHint
from tests.deliveries import recorded

ALL = {one.name: one for one in recorded("mlflow")}
CHALLENGER = (AliasHint("fraud", "challenger"),)
SAID = {
    "model_version.created": (VersionHint("fraud", "1"),),
    "model_version_alias.created": CHALLENGER,
    "model_version_alias.deleted": CHALLENGER,
    "model_version_tag.set": (VersionHint("fraud", "2"),),
    "model_version_tag.deleted": (VersionHint("fraud", "2"),),
    **{f"retry-{n}": (AliasHint("prod_fraud", "champion"),) for n in (1, 2, 3, 4)},
    **{f"stale-secret-{n}": (AliasHint("prod_fraud", "champion"),) for n in (1, 2, 3)},
    **{f"reorder-{n}": (AliasHint("m", "champion"),) for n in (1, 2, 3, 4)},
}


def test_all_fifteen_events_are_among_them():
    events = [name for name in ALL if "." in name and not name.startswith("test-delivery")]
    assert len(events) == 15


@pytest.mark.parametrize("name", ALL)
def test_every_delivery_verifies_also_as_late_as_its_last_retry_may_be(name):
    one = ALL[name]
    for late in (0, 130, 899):
        mlflow.verify(one.headers, one.body, (b"new", one.secret), one.sent + late)
    with pytest.raises(Unverified):
        mlflow.verify(one.headers, one.body, (one.secret,), one.sent + 901)


@pytest.mark.parametrize("name", ALL)
def test_every_delivery_says_what_it_should_or_nothing(name):
    assert mlflow.parse(ALL[name].headers, ALL[name].body) == SAID.get(name, ())


def test_a_retry_is_the_same_delivery():
    ids = {mlflow.delivery_id(ALL[f"retry-{n}"].headers, b"") for n in (1, 2, 3, 4)}
    assert len(ids) == 1


def test_a_retry_that_was_overtaken_says_the_same_as_what_overtook_it():
    assert ALL["reorder-4"].body == ALL["reorder-1"].body != ALL["reorder-3"].body
    assert len({mlflow.parse({}, ALL[f"reorder-{n}"].body) for n in (1, 2, 3, 4)}) == 1


def test_the_workspace_that_a_delivery_names_is_not_believed():
    named = ALL["model_version_alias.created"].body.replace(b'"data"', b'"workspace": "team-a", "data"')
    assert mlflow.parse({}, named) == CHALLENGER
