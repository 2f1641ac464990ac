"""How many rollouts may be on at once, as a table."""

import pytest

from policies.limits import Limits, Live, full

HERE, PROD = None, "prod"
LIVE = (Live("wine", PROD), Live("churn", PROD), Live("wine", HERE))


@pytest.mark.parametrize(
    ("limits", "wanted", "said"),
    [
        (Limits(), Live("wine", PROD), ""),
        (Limits(per_model=3), Live("wine", PROD), ""),
        (Limits(per_model=2), Live("wine", PROD), "2 releases of wine are"),
        (Limits(per_model=2), Live("churn", PROD), ""),
        (Limits(per_cluster=2), Live("beer", PROD), "2 releases in cluster prod are"),
        (Limits(per_cluster=2), Live("beer", HERE), ""),
        (Limits(per_cluster=1), Live("beer", HERE), "1 release on this machine is"),
        (Limits(per_model=1, per_cluster=1), Live("wine", PROD), "SEGUE_MOST_PER_MODEL"),
        (Limits(per_model=9, per_cluster=1), Live("wine", PROD), "SEGUE_MOST_PER_CLUSTER"),
    ],
)
def test_there_is_room_or_it_is_said_what_takes_it(limits, wanted, said):
    found = full(limits, wanted, LIVE)
    assert said in found
    assert bool(said) is bool(found)
