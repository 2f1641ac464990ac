"""How often is looked at what was begun: often while it is young, seldom where each look is a few calls."""

import pytest

from policies.place import Place
from service.performing.outcomes import pause


@pytest.mark.parametrize(("age", "seconds"), [(0.0, 0.1), (0.9, 0.1), (2.5, 0.25), (5.0, 0.5), (600.0, 0.5)])
def test_what_was_just_begun_in_a_cluster_is_looked_at_sooner(age, seconds):
    assert pause(Place("test", "ml"), age) == pytest.approx(seconds)


def test_on_this_machine_and_where_no_age_is_told_the_pause_is_always_the_same():
    assert {pause(Place(), age) for age in (0.0, 1.0, 600.0)} == {0.1}
    assert pause(Place("test", "ml")) == 0.5
