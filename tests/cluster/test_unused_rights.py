"""The chart gives no right that nothing uses. This runs after the tests that play whole releases with them."""

from pathlib import Path

import pytest

from tests.cluster import audit, logins
from tests.cluster.helm import rendered

pytestmark = pytest.mark.whole


def test_each_right_is_used(kubeconfig, gateway):
    log = audit.log_of(kubeconfig)
    if not log.is_file() or not (used := audit.used(log)):
        pytest.skip(f"no audit log of this cluster at {log}, or no test before that had the chart's rights")
    unused = {str(right) for _, right in audit.granted(logins.objects("ops", gateway))} - used
    assert unused == set(), "run the other files of this folder before this"


# The same for the two processes that only read, where each has an account of its own.
READERS = {
    "segue-observer": {
        "get pods/log": "test_workloads.py::test_a_model_that_crashes_fails_with_its_last_words",
        "get services/proxy": "test_shadow.py::"
        "test_a_wrong_candidate_is_found_before_any_user_sees_it_and_a_good_one_goes_on_and_no_request_is_lost",
        "create services/proxy": "test_shadow.py::"
        "test_recorded_requests_alone_tell_a_wrong_candidate_from_a_good_one",
        "get services": "test_others.py::test_it_sees_the_images_that_run_and_what_the_route_says",
        "list events": "test_workloads.py::test_an_image_that_is_not_there_is_said_by_name",
        "patch deployments": "test_workloads.py::test_restarts_are_counted_and_survive_the_pod",
    },
    "segue-web": {
        "get grpcroutes": "test_existing_route.py::test_the_weights_of_a_grpc_route_are_split_the_same_way",
        "create services/proxy": "test_shadow.py::"
        "test_recorded_requests_alone_tell_a_wrong_candidate_from_a_good_one",
        "get services": "test_selector_contract.py::test_handing_back_leaves_the_service_as_it_was_found",
        "list services": "test_selector_contract.py::test_handing_back_leaves_the_service_as_it_was_found",
    },
}
SPLIT = {
    "image": {"repository": "registry.example/segue"},
    "split": True,
    "database": {"existingSecret": "database"},
    "broker": {"existingSecret": "broker"},
    "secrets": {"existingSecret": "files"},
}


@pytest.mark.parametrize(("account", "elsewhere"), READERS.items())
def test_each_right_of_a_process_that_reads_is_used(kubeconfig, gateway, account, elsewhere):
    log = audit.log_of(kubeconfig)
    if not log.is_file() or not (used := audit.used(log, account)):
        pytest.skip(f"no audit log of this cluster at {log}, or test_installed did not run before")
    objects = rendered({**SPLIT, "cluster": {"gateway": "/".join(gateway.reference)}}, "ops")
    unused = {str(right) for _, right in audit.granted(objects, account)} - used
    print(*sorted(f"{right}: {elsewhere.get(right, 'nobody')}" for right in unused), sep="\n")
    assert unused <= elsewhere.keys()


@pytest.mark.parametrize(
    ("right", "test"),
    [pair for told in READERS.values() for pair in told.items()],
)
def test_what_is_used_elsewhere_has_a_test_that_is_there(right, test):
    file, _, name = test.partition("::")
    assert name in (Path(__file__).parent / file).read_text(), right
