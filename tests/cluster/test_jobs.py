"""Evaluations as Jobs of a real cluster: what every runner keeps, and each way in which a Job can fail."""

import base64
import json
import threading
import time

import pytest

from policies.spec.declaration_cluster import PodNeeds, Volume
from service.adapters.kubernetes import job_manifest
from service.adapters.kubernetes.answers import Stale
from service.adapters.kubernetes.kinds import JOB, NODE, POD, RESOURCE_QUOTA, SECRET, Kind
from service.ports.jobs import Result
from service.ports.outcomes import Failed, Gone, PortError, Refused, Working
from tests.cluster.jobs_world import GOOD, WRITE, World
from tests.contracts.test_job_runner import (  # noqa: F401  the contract, run here on `world` below
    begun,
    end,
    read,
    test_a_cancelled_job_has_failed,
    test_a_failed_job_says_why_and_may_start_anew,
    test_a_job_ends_with_its_numbers_and_is_not_run_twice,
    test_a_job_whose_numbers_are_elsewhere_ends_well_without_any,
    test_an_unknown_job_is_gone,
    test_start_may_be_repeated_while_it_runs,
    test_what_a_job_prints_is_read_while_it_runs_and_each_word_once,
)

NUMBERS = Result((("accuracy", 0.5), ("size", 3.0)))
LIMIT_RANGE = Kind("v1", "limitranges")
CLAIM, PERSISTENT_VOLUME = Kind("v1", "persistentvolumeclaims"), Kind("v1", "persistentvolumes", False)


@pytest.fixture
def world(kubeconfig, login, namespace, images):
    world = World(kubeconfig, namespace, images.python("python", {}, []), login)
    world.settle()
    return world


def outcome(world, code, **more):
    job = world.python(code, **more)
    world.jobs.start(job)
    return end(world, job.name)


def seen(world, words, name="job", jobs=None):
    """Looks until the state says these words; the state."""
    until = time.monotonic() + 60
    while words not in str(state := (jobs or world.jobs).state(name)):
        assert time.monotonic() < until, state
        time.sleep(0.2)
    return state


def evict(world, pod):
    """What draining a node does to each of its pods."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    world.api.create(Kind("v1", f"pods/{pod}/eviction"), world.namespace, body)


# --- each way to fail ----------------------------------------------------------------------------


def test_an_image_that_is_not_there_is_told_and_not_waited_for(world):
    missing = world.image.partition("@")[0] + "@sha256:" + "0" * 64
    jobs = world.runner(patience=5)
    jobs.start(world.python("pass", image=missing))
    state = seen(world, "Failed", jobs=jobs)
    assert state.reason.startswith(f"the job could not run: the image {missing} cannot be pulled: ")


def test_a_name_that_is_no_image_s_fails_at_once(world):
    failed = outcome(world, "pass", image="UPPER/x:1")
    assert failed.reason == (
        "the job could not run: the image UPPER/x:1 cannot be pulled: the registry has none of this name"
    )


def test_memory_beyond_the_limit_is_told_with_the_limit(world):
    failed = outcome(world, "keep = bytearray(400 << 20); import time; time.sleep(600)", memory=64 << 20)
    assert failed.reason == "the job used more memory than its limit of 64 MiB"


def test_the_time_limit_is_kept(world):
    failed = outcome(world, "import time; print('here', flush=True); time.sleep(600)", seconds=1)
    assert failed.reason == "the job did not end within 1 s"
    assert failed.log == world.jobs.logs("job") == "here\n"


def test_a_command_that_is_not_in_the_image_is_named(world):
    job = world.python("pass")
    world.jobs.start(type(job)(job.name, job.image, ("/no/such",), job.limits))
    assert "the job could not be started: /no/such: " in end(world).reason


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("pass", "there is none; the command must write it to the path in $SEGUE_RESULT"),
        (WRITE.format('{"accuracy": NaN}'), "'accuracy' holds a number that is not finite"),
        (WRITE.format("accuracy: 1"), "it is not JSON"),
        (WRITE.format('{"a": 1' + " " * 5000 + "}"), "it is not smaller than 4096 bytes"),
    ],
)
def test_a_result_that_is_none_is_told(world, code, part):
    failed = outcome(world, code)
    assert failed.reason.startswith("the job's result cannot be used: ")
    assert part in failed.reason


def test_a_device_that_nobody_has_is_waited_for_and_then_told(world):
    jobs = world.runner(patience=2)
    jobs.start(world.python("pass", pod=PodNeeds(extended=(("segue.test/gpu", 1),))))
    waiting = seen(world, "no node can take it", jobs=jobs)
    assert "with too little segue.test/gpu left" in str(waiting)
    failed = seen(world, "Failed", jobs=jobs)
    assert failed.reason.startswith("the job could not run: no node can take it: ")
    until = time.monotonic() + 60
    while world.pods():  # nothing of it is left to start later
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_quota_that_is_used_up_is_told_with_its_numbers(world):
    world.make(RESOURCE_QUOTA, "small", kind="ResourceQuota", spec={"hard": {"requests.memory": "64Mi"}})
    world.jobs.start(world.well())
    state = seen(world, "quota")
    assert state == Working(
        "waiting: the quota small is used up: it asks for requests.memory=268435456, requests.memory=0 "
        "is used of requests.memory=64Mi"
    )


def test_a_limit_range_that_forbids_it_fails_at_once_and_is_told_with_its_numbers(world):
    most = [{"type": "Container", "max": {"memory": "64Mi"}}]
    world.make(LIMIT_RANGE, "small", kind="LimitRange", spec={"limits": most})
    failed = outcome(world, "pass")
    words = "the namespace's limit range forbids it: maximum memory usage per Container is 64Mi"
    assert failed.reason.startswith(f"the job could not run: {words}")


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (PodNeeds(secrets=("nosuch",)), "there is no secret nosuch in the namespace"),
        (PodNeeds(service_account="nosuch"), "there is no service account nosuch in the namespace"),
        (PodNeeds(priority_class="nosuch"), "the cluster has no priority class nosuch"),
        (PodNeeds(volumes=(Volume("nosuch", "/data"),)), "there is no volume claim nosuch"),
        (PodNeeds(node_selector=(("disk", "nosuch"),)), "without the labels of its node selector"),
    ],
)
def test_what_is_missing_in_the_namespace_is_named(world, pod, words):
    world.jobs.start(world.python("pass", pod=pod))
    seen(world, words)


def test_a_pod_that_is_evicted_runs_again_and_reports_once(world):
    """The second pod's numbers count, since the first one never ended by itself."""
    world.jobs.start(world.long())
    assert begun(world) == Working("running")
    (pod,) = world.pods()
    evict(world, pod["metadata"]["name"])
    until = time.monotonic() + 60
    while not (pods := [p for p in world.pods() if p["metadata"]["uid"] != pod["metadata"]["uid"]]):
        assert isinstance(world.jobs.state("job"), Working), world.jobs.state("job")
        assert time.monotonic() < until
        time.sleep(0.2)
    assert len(pods) == 1
    assert seen(world, "'running'") == Working("running")


def test_a_pod_that_somebody_deletes_fails_the_job_and_says_so(world):
    world.jobs.start(world.long())
    assert begun(world) == Working("running")
    (pod,) = world.pods()
    world.api.delete(POD, world.namespace, pod["metadata"]["name"], grace=0)
    assert end(world).reason == "the job ended unseen: somebody deleted its pod"


def test_a_node_that_is_being_drained_is_told(world):
    (node, *others) = [node["metadata"]["name"] for node in world.api.list(NODE, None)]
    if others:
        pytest.skip("closing one of several nodes says nothing")
    world.api.patch(NODE, None, node, {"spec": {"unschedulable": True}})
    try:
        world.jobs.start(world.well())
        state = seen(world, "no node can take it")
        assert "closed for new pods" in str(state)
    finally:
        world.api.patch(NODE, None, node, {"spec": {"unschedulable": None}})
    assert end(world) == NUMBERS


# --- what it prints ------------------------------------------------------------------------------


def test_lines_are_read_as_they_come_to_the_last_one(world):
    """Two hundred and more of them, many in the same second: each once, in their order."""
    code = (
        "import time\n"
        "for n in range(500):\n"
        "    print('line', n, flush=True)\n"
        "    time.sleep(0.004)\n" + WRITE.format(GOOD)
    )
    world.jobs.start(world.python(code))
    text, mark = read(world)
    while isinstance(world.jobs.state("job"), Working):
        found = world.jobs.read_on("job", mark)
        text, mark = text + found.text, found.mark
    text += world.jobs.read_on("job", mark).text
    assert text.splitlines() == [f"line {n}" for n in range(500)]


def test_what_an_evicted_pod_printed_is_followed_by_what_the_next_one_prints(world):
    world.jobs.start(world.python("import os, time; print(os.uname()[1], flush=True); time.sleep(600)"))
    first, mark = read(world)
    (pod,) = world.pods()
    evict(world, pod["metadata"]["name"])
    second, _ = read(world, mark)
    assert first.strip() == pod["metadata"]["name"]
    assert second.strip() != first.strip()


# --- once ----------------------------------------------------------------------------------------


def test_many_who_start_it_at_once_start_one(world):
    job, errors = world.well(), []

    def start():
        try:
            world.runner().start(job)
        except PortError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert end(world) == NUMBERS
    assert len(world.pods()) == 1


def test_an_outcome_that_was_told_stays_when_pods_are_gone(world):
    world.jobs.start(world.python("print('done', flush=True); " + WRITE.format(GOOD)))
    assert end(world) == NUMBERS
    for pod in world.pods():
        world.api.delete(POD, world.namespace, pod["metadata"]["name"], grace=0)
    assert world.runner().state("job") == NUMBERS
    assert world.jobs.logs("job") == "done\n"


def test_a_job_of_somebody_else_s_name_is_left_alone(world):
    body = job_manifest.manifest(world.long(), {"app": "theirs"}, 60)
    world.api.create(JOB, world.namespace, body)
    assert world.jobs.state("job") == Gone()
    with pytest.raises(Refused, match="that Segue did not make"):
        world.jobs.start(world.well())
    world.jobs.cancel("job")
    assert world.api.get(JOB, world.namespace, "job")["spec"].get("activeDeadlineSeconds") != 1


def test_another_order_under_the_name_of_a_job_that_runs_is_refused(world):
    world.jobs.start(world.long())
    with pytest.raises(Refused, match="is taken: it runs something else"):
        world.jobs.start(world.well())


# --- what a pod may ask for ------------------------------------------------------------------------


def test_secrets_become_environment_and_are_nowhere_else(world):
    data = {"TOKEN": base64.b64encode(b"hunter2").decode()}
    world.make(SECRET, "keys", kind="Secret", data=data)
    code = "import os; print(len(os.environ['TOKEN']), os.environ['WORD']); " + WRITE.format(GOOD)
    assert outcome(world, code, pod=PodNeeds(secrets=("keys",)), WORD="$(TOKEN)") == NUMBERS
    assert world.jobs.logs("job").startswith("7 ")
    assert "hunter2" not in json.dumps(world.api.get(JOB, world.namespace, "job"))


def test_a_pod_has_no_token_a_read_only_root_and_no_rights(world):
    code = (
        "import os\n"
        "print(os.getuid() != 0, os.path.exists('/var/run/secrets/kubernetes.io'))\n"
        "open('/tmp/x', 'w').write('x')\n"
        "try: open('/x', 'w')\n"
        "except OSError as error: print(error.strerror)\n"
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapEff', 'NoNewPrivs'))])\n"
        + WRITE.format(GOOD)
    )
    assert outcome(world, code) == NUMBERS
    lines = world.jobs.logs("job").splitlines()
    assert lines == ["True False", "Read-only file system", "['0000000000000000', '1']"]


def test_words_that_kubernetes_would_replace_stay_as_they_were_written(world):
    code = "import sys; print(sys.argv[1]); " + WRITE.format(GOOD)
    job = world.python(code)
    world.jobs.start(type(job)(job.name, job.image, (*job.run, "$(HOME) $$(HOME)"), job.limits))
    assert end(world) == NUMBERS
    assert world.jobs.logs("job") == "$(HOME) $$(HOME)\n"


def test_a_claim_is_mounted_read_only_unless_it_says_write(world):
    name = world.namespace
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": "none", "volumeName": name}
    place = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "none",
        "hostPath": {"path": f"/tmp/{name}", "type": "DirectoryOrCreate"},
    }
    world.make(PERSISTENT_VOLUME, name, kind="PersistentVolume", spec=place)
    try:
        wanted = {**spec, "resources": {"requests": {"storage": "1Mi"}}}
        world.make(CLAIM, "data", kind="PersistentVolumeClaim", spec=wanted)
        code = (
            "import os; print(sorted(os.listdir('/')).count('data'))\n"
            "try: open('/data/x', 'w')\n"
            "except OSError as error: print(error.strerror)\n" + WRITE.format(GOOD)
        )
        assert outcome(world, code, pod=PodNeeds(volumes=(Volume("data", "/data"),))) == NUMBERS
        assert world.jobs.logs("job") == "1\nRead-only file system\n"
    finally:
        world.api.delete(PERSISTENT_VOLUME, None, name)


def test_a_name_that_is_too_long_for_a_cluster_is_shortened_and_found_again(world):
    name = "a-model-with-quite-a-long-name-in-its-repository-" + "0123456789abcdef" * 2
    job = world.python(WRITE.format(GOOD), name=name)
    world.jobs.start(job)
    assert end(world, name) == NUMBERS


def test_a_device_that_a_node_has_is_given_to_one_job_after_the_other(world):
    (node, *_) = [node["metadata"]["name"] for node in world.api.list(NODE, None)]
    path = "/status/capacity/segue.test~1fake"
    world.api.patch(NODE, None, node, [{"op": "add", "path": path, "value": "1"}], "json", "status")
    try:
        needs = PodNeeds(extended=(("segue.test/fake", 1),))
        jobs = [world.python(WRITE.format(GOOD), name=f"job-{n}", pod=needs) for n in range(2)]
        for job in jobs:
            world.jobs.start(job)
        assert [end(world, job.name) for job in jobs] == [NUMBERS, NUMBERS]
    finally:
        world.api.patch(NODE, None, node, [{"op": "remove", "path": path}], "json", "status")


def test_a_write_in_between_is_not_overwritten(world):
    world.jobs.start(world.long())
    begun(world)
    old = world.api.get(JOB, world.namespace, "job")
    until = time.monotonic() + 30
    while not world.jobs.logs("job"):
        assert time.monotonic() < until
        time.sleep(0.1)
    world.jobs.cancel("job")
    with pytest.raises(Stale):
        world.jobs._keep(old, NUMBERS, "")
    assert world.jobs.state("job") == Failed("the job was cancelled", "here\n")
