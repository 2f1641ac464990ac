"""What clusters say about pods, as they said it, and what people read."""

import pytest

from service.adapters.kubernetes import reasons
from service.adapters.kubernetes.reasons import NEVER, ROOM, SOON, Trouble

IMAGE = "registry.example/churn@sha256:" + "0" * 64
ON_THE_WAY = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
    'failed to do request: Head "https://registry.example/v2/churn/manifests/sha256:00": '
)


def pending(state=None, *, phase="Pending", conditions=(), **more):
    status = {"name": "job", "image": IMAGE, "state": state or {}, **more}
    return {"status": {"phase": phase, "conditions": list(conditions), "containerStatuses": [status]}}


def waiting(reason, message="", **more):
    return pending({"waiting": {"reason": reason, "message": message}}, **more)


def unplaced(message, reason="Unschedulable"):
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"status": {"phase": "Pending", "conditions": [condition]}}


def event(reason, message, second=0):
    return {"reason": reason, "message": message, "lastTimestamp": f"2026-01-01T00:00:{second:02}Z"}


@pytest.mark.parametrize(
    ("message", "words", "patience"),
    [
        (
            (
                "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: "
                "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
            ),
            "no node can take it: 1 of 1 with too little nvidia.com/gpu left",
            ROOM,
        ),
        (
            (
                "0/5 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu, 2 node(s) didn't match "
                "Pod's node affinity/selector. preemption: 0/5 nodes are available: 5 Preemption is not helpful."
            ),
            (
                "no node can take it: 1 of 5 closed for new pods, 2 of 5 with too little cpu left, "
                "2 of 5 without the labels of its node selector"
            ),
            ROOM,
        ),
        (
            "0/3 nodes are available: 3 node(s) had untolerated taint {dedicated: ml}. preemption: none",
            "no node can take it: 3 of 3 with a taint {dedicated: ml} that it does not tolerate",
            ROOM,
        ),
        (
            "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available.",
            "no node can take it: 1 of 1 with as many pods as it may have",
            ROOM,
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "data" not found. not found',
            "there is no volume claim data",
            SOON,
        ),
        (
            "0/2 nodes are available: 2 node(s) are strange.",
            "no node can take it: 2 of 2: node(s) are strange",
            ROOM,
        ),
        ("no nodes available to schedule pods", "no nodes available to schedule pods", ROOM),
    ],
)
def test_why_no_node_takes_a_pod(message, words, patience):
    assert reasons.of_pod(unplaced(message)) == Trouble(words, patience)


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
@pytest.mark.parametrize(
    ("cause", "words", "patience"),
    [
        (f"{IMAGE}: not found", "the registry has none of this name", NEVER),
        (
            "unexpected status from HEAD request: 401 Unauthorized",
            "it wants a login; name a pull secret",
            NEVER,
        ),
        ("pull access denied, repository does not exist", "it wants a login; name a pull secret", NEVER),
        (
            "dial tcp 10.0.0.9:443: connect: connection refused",
            "dial tcp 10.0.0.9:443: connect: connection refused",
            ROOM,
        ),
        ("net/http: TLS handshake timeout", "net/http: TLS handshake timeout", ROOM),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority; its node's"
                " container runtime has to know the authority, as certs.d of containerd says it"
            ),
            ROOM,
        ),
    ],
)
def test_why_an_image_cannot_be_pulled(reason, cause, words, patience):
    told = ON_THE_WAY + cause
    pod = waiting(
        reason,
        told if reason == "ErrImagePull" else f'Back-off pulling image "{IMAGE}": ErrImagePull: {told}',
    )
    assert reasons.of_pod(pod) == Trouble(f"the image {IMAGE} cannot be pulled: {words}", patience)


def test_older_kubelets_tell_the_cause_of_a_pull_only_as_an_event():
    pod = waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')
    events = [
        event("Failed", f'Failed to pull image "{IMAGE}": {ON_THE_WAY}{IMAGE}: not found', 1),
        event("BackOff", "Back-off", 3),
    ]
    assert reasons.of_pod(pod, events).patience == NEVER
    assert reasons.of_pod(pod).words.endswith("cannot be pulled: ImagePullBackOff")


def test_a_pull_secret_that_is_missing_is_named():
    pod = waiting("ErrImagePull", ON_THE_WAY + "401 Unauthorized")
    told = "Unable to retrieve some image pull secrets (mine); attempting to pull the image may not succeed."
    words = reasons.of_pod(pod, [event("FailedToRetrieveImagePullSecret", told)]).words
    assert words == f"the image {IMAGE} cannot be pulled: there is no pull secret mine"


@pytest.mark.parametrize(
    ("pod", "events", "words", "patience"),
    [
        (
            waiting("CreateContainerConfigError", 'secret "keys" not found'),
            (),
            "there is no secret keys in the namespace",
            SOON,
        ),
        (
            waiting("CreateContainerConfigError", "couldn't find key token in Secret ml/keys"),
            (),
            "the Secret ml/keys has no key token",
            SOON,
        ),
        (
            waiting(
                "CreateContainerConfigError",
                "container has runAsNonRoot and image will run as root (pod: …)",
            ),
            (),
            "the image wants to run as root, which is not allowed here",
            NEVER,
        ),
        (
            waiting("ContainerCreating"),
            [event("FailedMount", 'MountVolume.SetUp failed for volume "c" : configmap "conf" not found')],
            "there is no config map conf in the namespace",
            SOON,
        ),
        (
            waiting(
                "CrashLoopBackOff",
                "back-off 10s restarting failed container",
                phase="Running",
                restartCount=3,
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            (),
            "it used more memory than its limit, 3 times",
            SOON,
        ),
        (
            waiting(
                "CrashLoopBackOff",
                phase="Running",
                restartCount=2,
                lastState={"terminated": {"exitCode": 1, "reason": "Error"}},
            ),
            (),
            "it ended with exit code 1, 2 times",
            SOON,
        ),
        (
            unplaced("", "SchedulingGated"),
            (),
            "something of the cluster's holds it back (a scheduling gate)",
            ROOM,
        ),
    ],
)
def test_what_else_keeps_a_pod_from_running(pod, events, words, patience):
    assert reasons.of_pod(pod, events) == Trouble(words, patience)


@pytest.mark.parametrize(
    "pod",
    [waiting("ContainerCreating"), waiting("PodInitializing"), pending({"running": {}}, phase="Running")],
)
def test_a_pod_that_gets_on_has_no_trouble(pod):
    assert reasons.of_pod(pod) is None


FORBIDDEN = 'Error creating: pods "churn-" is forbidden: '


@pytest.mark.parametrize(
    ("message", "words", "patience"),
    [
        (
            FORBIDDEN
            + "exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=2, "
            "limited: requests.nvidia.com/gpu=2",
            (
                "the quota gpus is used up: it asks for requests.nvidia.com/gpu=1, requests.nvidia.com/gpu=2 is "
                "used of requests.nvidia.com/gpu=2"
            ),
            ROOM,
        ),
        (
            FORBIDDEN + "failed quota: all: must specify limits.cpu for: job",
            "the quota all wants limits.cpu for: job to be said",
            NEVER,
        ),
        (
            FORBIDDEN + 'error looking up service account ml/eval: serviceaccount "eval" not found',
            "there is no service account eval in the namespace",
            SOON,
        ),
        (
            FORBIDDEN + "no PriorityClass with name high was found",
            "the cluster has no priority class high",
            SOON,
        ),
        (
            FORBIDDEN + 'violates PodSecurity "restricted:latest": unrestricted capabilities',
            "the namespace's pod security restricted:latest forbids it: unrestricted capabilities",
            NEVER,
        ),
        (
            'Error creating: admission webhook "policy.example" denied the request: no latest tags',
            "the cluster's rule policy.example forbids it: no latest tags",
            NEVER,
        ),
        (
            FORBIDDEN + "maximum cpu usage per Container is 1, but limit is 2",
            "the namespace's limit range forbids it: maximum cpu usage per Container is 1, but limit is 2",
            NEVER,
        ),
        ("Error creating: who knows", "the pod cannot be made: Error creating: who knows", SOON),
    ],
)
def test_why_no_pod_can_be_made(message, words, patience):
    assert reasons.failed_creation([event("FailedCreate", message)]) == Trouble(words, patience)
    failed = {"type": "ReplicaFailure", "status": "True", "message": message}
    assert reasons.of_deployment({"status": {"conditions": [failed]}}) == Trouble(words, patience)


def test_a_pod_that_was_made_after_all_ends_the_trouble():
    failed, made = event("FailedCreate", "exceeded", 1), event("SuccessfulCreate", "Created pod: a", 2)
    assert reasons.failed_creation([made, failed]) is None
    assert reasons.failed_creation([]) is None
    assert reasons.of_deployment({"status": {}}) is None


@pytest.mark.parametrize(
    ("terminated", "words"),
    [
        ({"exitCode": 0, "reason": "Completed"}, None),
        ({"exitCode": 3, "reason": "Error"}, "ended with exit code 3"),
        ({"exitCode": 139, "reason": "Error"}, "was killed by signal 11"),
        ({"exitCode": 255, "reason": "Error"}, "ended with exit code 255"),
        ({"exitCode": 137, "reason": "OOMKilled"}, "used more memory than its limit"),
        ({"exitCode": 0, "reason": "OOMKilled"}, "used more memory than its limit"),
        (
            {
                "exitCode": 128,
                "reason": "StartError",
                "message": "runc create failed: unable to start container process: error during container init: "
                'exec: "/no/such": stat /no/such: no such file or directory: unknown',
            },
            "could not be started: /no/such: stat /no/such: no such file or directory",
        ),
    ],
)
def test_how_a_command_ended(terminated, words):
    phase = "Succeeded" if words is None else "Failed"
    assert reasons.ended(pending({"terminated": terminated}, phase=phase), "job") == words


def lived(restarts, last=None, state=None):
    """A pod's container that was started again so often."""
    status = {"restartCount": restarts, "state": state or {"running": {}}}
    return {"status": {"containerStatuses": [status | ({"lastState": {"terminated": last}} if last else {})]}}


def test_how_the_container_ended_that_ended_last():
    killed = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-02T03:04:06Z"}
    failed = {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-02T03:04:05Z"}
    assert reasons.last_end([lived(1, killed), lived(2, failed)]) == "used more memory than its limit"
    assert reasons.last_end([lived(0), lived(2, failed)]) == "ended with exit code 3"
    assert reasons.last_end([lived(1, failed, {"terminated": killed})]) == "used more memory than its limit"
    assert reasons.last_end([lived(1, {"exitCode": 0, "reason": "Completed"})]) == "ended by itself"


def test_what_was_never_started_again_did_not_end():
    done = {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "restartCount": 0}
    assert not reasons.last_end([{"status": {"initContainerStatuses": [done]}}, lived(0)])
    assert not reasons.last_end([])


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        (
            "Evicted",
            "Usage of EmptyDir volume exceeds the limit.",
            "was evicted: Usage of EmptyDir volume exceeds the limit.",
        ),
        ("OutOfcpu", "Pod was rejected", "was refused by its node, which has too little cpu left"),
        ("UnexpectedAdmissionError", "Allocate failed", "was refused by its node: Allocate failed"),
        ("DeadlineExceeded", "", "did not end in time"),
        ("Shutdown", "going down", "was ended by its node (Shutdown): going down"),
    ],
)
def test_how_a_node_ended_a_pod(reason, message, words):
    pod = {"status": {"phase": "Failed", "reason": reason, "message": message}}
    assert reasons.ended(pod, "job") == words


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        (
            "EvictionByEvictionAPI",
            "Eviction API: evicting",
            "evicted: its node is being drained, or somebody asked for it",
        ),
        ("PreemptionByScheduler", "preempting", "evicted for a pod of higher priority"),
        (
            "TerminationByKubelet",
            "The node was low on resource: memory.",
            "evicted by its node (The node was low on resource: memory.)",
        ),
        ("SomethingNew", "", "evicted"),
    ],
)
def test_who_disturbed_a_pod(reason, message, words):
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    pod = {"status": {"phase": "Failed", "conditions": [condition]}}
    assert reasons.disruption(pod) == reasons.ended(pod, "job") == words


def test_long_texts_are_cut():
    assert len(reasons.creation("x " * 5000).words) < 600
