"""A job's manifest as literal values, and how far it is, from Jobs and pods as clusters tell them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from policies.spec.declaration_cluster import PodNeeds, Toleration, Volume
from service.adapters.kubernetes import job_states
from service.adapters.kubernetes.job_manifest import manifest, object_name
from service.adapters.kubernetes.jobs import FORM
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Working

NEEDS = PodNeeds(
    extended=(("nvidia.com/gpu", 1),),
    node_selector=(("disk", "ssd"),),
    tolerations=(Toleration("nvidia.com/gpu"), Toleration("dedicated", "ml", "NoSchedule")),
    priority_class="low",
    service_account="eval",
    pull_secrets=("registry",),
    secrets=("keys",),
    volumes=(Volume("data", "/data"), Volume("scratch", "/scratch", write=True)),
    queue="gpus",
)
JOB = Job(
    "wine-1", "r.example/wine@sha256:00", ("python", "e.py", "$(X)"), Limits(0.5, 1 << 30, 90), (), NEEDS
)
NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def body(job=JOB, patience=1800):
    return manifest(job, {"segue.dev/owner": "me"}, patience)


def test_a_job_s_pod_is_this():
    assert body()["spec"]["template"]["spec"] == snapshot(
        {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "job",
                    "image": "r.example/wine@sha256:00",
                    "imagePullPolicy": "IfNotPresent",
                    "env": [
                        {"name": "HOME", "value": "/tmp"},
                        {"name": "SEGUE_RESULT", "value": "/dev/termination-log"},
                    ],
                    "resources": {
                        "requests": {"cpu": "500m", "memory": "1073741824", "nvidia.com/gpu": "1"},
                        "limits": {"cpu": "500m", "memory": "1073741824", "nvidia.com/gpu": "1"},
                    },
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        {"name": "claim-0", "mountPath": "/data", "readOnly": True},
                        {"name": "claim-1", "mountPath": "/scratch", "readOnly": False},
                    ],
                    "command": ["python", "e.py", "$$(X)"],
                    "envFrom": [{"secretRef": {"name": "keys"}}],
                }
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "claim-0", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
                {"name": "claim-1", "persistentVolumeClaim": {"claimName": "scratch", "readOnly": False}},
            ],
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists"},
                {"key": "dedicated", "operator": "Equal", "value": "ml", "effect": "NoSchedule"},
            ],
            "priorityClassName": "low",
            "serviceAccountName": "eval",
            "imagePullSecrets": [{"name": "registry"}],
        }
    )


def test_a_job_is_tried_once_kept_a_day_and_waits_in_its_queue():
    made = body()
    assert {key: value for key, value in made["spec"].items() if key != "template"} == snapshot(
        {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": 86400,
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
                ]
            },
            "activeDeadlineSeconds": 3690,
            "suspend": True,
        }
    )
    assert made["metadata"]["labels"] == {"segue.dev/owner": "me", "kueue.x-k8s.io/queue-name": "gpus"}
    assert made["spec"]["template"]["metadata"]["labels"] == {"segue.dev/owner": "me"}


def test_a_job_without_a_time_limit_or_needs_says_nothing_of_them():
    made = body(Job("wine-1", "r.example/wine@sha256:00", (), Limits(1, 0, 0)))
    assert "activeDeadlineSeconds" not in made["spec"]
    assert "suspend" not in made["spec"]
    pod = made["spec"]["template"]["spec"]
    assert not pod.keys() & {"nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets"}
    assert not pod["containers"][0].keys() & {"command", "envFrom"}
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": "1000m"}


def test_the_same_order_has_the_same_digest_and_another_has_another():
    spec = "segue.dev/spec"
    assert body()["metadata"]["annotations"][spec] == body()["metadata"]["annotations"][spec]
    other = Job(JOB.name, JOB.image, (*JOB.run, "x"), JOB.limits, JOB.env, JOB.pod)
    assert body(other)["metadata"]["annotations"][spec] != body()["metadata"]["annotations"][spec]


@given(st.text(max_size=200))
def test_every_name_becomes_one_that_kubernetes_accepts(name):
    made = object_name(name)
    assert 1 <= len(made) <= 63
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made[0] != "-" != made[-1]


def test_names_that_would_be_alike_differ():
    names = ["a" * 80, "a" * 81, "A", "a", "a_b", "a-b", "a.b", ""]
    assert len({object_name(name) for name in names}) == len(names)
    assert object_name("wine-0123-1") == "wine-0123-1"


# --- how far it is ---------------------------------------------------------------------------------


def job(*conditions, **spec):
    made = body()
    made["metadata"] |= {"name": "wine-1", "uid": "u", "creationTimestamp": "2026-01-01T11:00:00Z"}
    made["spec"] |= {"suspend": False, **spec}
    told = [{"type": kind, "status": "True", "reason": reason} for kind, reason in conditions]
    return {**made, "status": {"conditions": told, "startTime": "2026-01-01T11:00:00Z"}}


def pod(name, phase, *, made="2026-01-01T11:59:00Z", state=None, disrupted=None, **status):
    conditions = [{"type": "DisruptionTarget", "status": "True", "reason": disrupted}] if disrupted else []
    return {
        "metadata": {"name": name, "creationTimestamp": made},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "containerStatuses": [{"name": "job", "image": "i", "state": state or {}}],
            **status,
        },
    }


def done(message, started="2026-01-01T11:59:00Z", finished="2026-01-01T11:59:30Z", code=0):
    times = {"startedAt": started, "finishedAt": finished}
    return {"terminated": {"exitCode": code, "message": message, **times}}


def running(since):
    return {"running": {"startedAt": since}}


def waiting(reason, message):
    return {"waiting": {"reason": reason, "message": message}}


COMPLETE = ("Complete", "CompletionsReached")
FAILED = ("Failed", "BackoffLimitExceeded")
GOOD = pod("a", "Succeeded", state=done('{"f1": 0.5}'))
MISSING = waiting("CreateContainerConfigError", 'secret "keys" not found')
AWAY = waiting("ErrImagePull", "dial tcp: connection refused")


def look(*args, events=(), patience=1800):
    made, *pods = args
    return job_states.look(made, pods, events, NOON, patience, form=FORM)


@pytest.mark.parametrize(
    ("made", "pods", "state"),
    [
        (job(), [], Working("starting")),
        (job(suspend=True), [], Working("waiting in the queue gpus")),
        (job(), [pod("a", "Pending")], Working("starting")),
        (job(), [pod("a", "Running", state=running("2026-01-01T11:59:00Z"))], Working("running")),
        (
            job(),
            [pod("a", "Pending", state=MISSING, made="2026-01-01T11:59:50Z")],
            Working("waiting: there is no secret keys in the namespace"),
        ),
        (
            job(),
            [pod("a", "Pending", state=AWAY, made="2026-01-01T11:31:00Z")],
            Working("waiting: the image i cannot be pulled: dial tcp: connection refused"),
        ),
        (
            job(),
            [pod("a", "Running", disrupted="PreemptionByScheduler")],
            Working("its pod is evicted for a pod of higher priority; another one follows"),
        ),
        (
            job(),
            [
                pod("a", "Failed", disrupted="EvictionByEvictionAPI", made="2026-01-01T11:58:00Z"),
                pod("b", "Running", state=running("2026-01-01T11:59:30Z")),
            ],
            Working("running"),
        ),
    ],
)
def test_what_goes_on(made, pods, state):
    assert look(made, *pods).state == state


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        (
            [pod("a", "Pending", state=MISSING)],
            "the job could not run: there is no secret keys in the namespace",
        ),
        (
            [pod("a", "Pending", state=AWAY, made="2026-01-01T11:29:00Z")],
            "the job could not run: the image i cannot be pulled: dial tcp: connection refused",
        ),
        ([pod("a", "Running", state=running("2026-01-01T11:58:00Z"))], "the job did not end within 90 s"),
    ],
)
def test_what_is_ended_by_us_because_waiting_does_not_help(pods, reason):
    seen = look(job(), *pods)
    assert seen.state == Failed(reason)
    assert seen.going


@pytest.mark.parametrize(
    ("made", "pods", "state"),
    [
        (job(COMPLETE), [GOOD], Result((("f1", 0.5),))),
        (
            job(COMPLETE),
            [],
            Failed("the job ended, but its pod is gone and with it its result; run it again"),
        ),
        (
            job(COMPLETE),
            [pod("a", "Succeeded", state=done('{"f1": 1}', started="2026-01-01T11:57:00Z"))],
            Failed("the job did not end within 90 s"),
        ),
        (
            job(FAILED),
            [pod("a", "Failed", state=done(None, code=3))],
            Failed("the job ended with exit code 3"),
        ),
        (
            job(FAILED),
            [pod("a", "Failed", state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})],
            Failed("the job used more memory than its limit of 1024 MiB"),
        ),
        (
            job(FAILED),
            [pod("a", "Failed", reason="Evicted", message="Usage of EmptyDir volume exceeds the limit")],
            Failed("the job was evicted: Usage of EmptyDir volume exceeds the limit"),
        ),
        (job(FAILED), [], Failed("the job ended unseen: somebody deleted its pod")),
        (
            job(("Failed", "DeadlineExceeded")),
            [],
            Failed("the job was not done in time: it waited too long for its turn"),
        ),
    ],
)
def test_how_it_ended(made, pods, state):
    seen = look(made, *pods)
    assert seen.state == state
    assert not seen.going


def test_of_two_pods_that_report_different_numbers_the_first_to_end_counts():
    late = pod("b", "Succeeded", state=done('{"f1": 0.9}', finished="2026-01-01T11:59:40Z"))
    assert look(job(COMPLETE), late, GOOD) == look(job(COMPLETE), GOOD, late)
    assert look(job(COMPLETE), late, GOOD).state == Result((("f1", 0.5),))


@pytest.mark.parametrize("outcome", [Result((("a", 1.5), ("b", 2.0))), Failed("why", "tail")])
def test_an_outcome_is_kept_and_read_again(outcome):
    log = outcome.log if isinstance(outcome, Failed) else "tail"
    kept = job_states.keeping(job(), outcome, "x" * 100_000 + log, FORM)
    again = job_states.kept(json.loads(json.dumps(kept)), FORM)
    assert getattr(again, "metrics", None) == getattr(outcome, "metrics", None)
    assert len(kept["metadata"]["annotations"]["segue.dev/log"]) == 16_000
    assert kept["metadata"]["annotations"]["segue.dev/log"].endswith("tail")
    assert job_states.kept(job(), FORM) is None
