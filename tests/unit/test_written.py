"""What a registry's version is told of its end: at the registry that it is of."""

from dataclasses import replace

import pytest

from policies import written
from policies.release import Cause
from tests.unit.test_rollout import STABLE, make_release, make_target

NEW = replace(STABLE, release="rel-2", backend="wine-v2")


def told(registry, new):
    """Where it is said that version 7, of this registry, serves no more, once a release of `new` is promoted."""
    before = make_target(stable=replace(STABLE, registered=("wine", "7"), registry=registry))
    release = make_release(cause=Cause("alias", None, registry=new, registered=("wine", "8")))
    return [(one.source, one.version) for one in written.replaced(release, before, make_target(stable=NEW))]


@pytest.mark.parametrize(
    ("registry", "new", "where"),
    [
        ("mlflow", "mlflow", "mlflow"),
        ("mlflow", "other", "mlflow"),
        ("mlflow", None, "mlflow"),
        (None, "mlflow", "mlflow"),
    ],
    ids=["of both", "of the old one", "of no new one", "stored before it was noted"],
)
def test_that_a_version_serves_no_more_is_said_where_it_is_registered(registry, new, where):
    assert told(registry, new) == [(where, "7")]


def test_a_version_of_no_known_registry_is_told_of_nowhere():
    assert told(None, None) == []
