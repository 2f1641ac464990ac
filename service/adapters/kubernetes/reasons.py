"""What a cluster says about pods, in people's words: pure functions of the API's own objects.

The texts of the scheduler, the kubelet and the admission are no contract: what is not recognised is
passed on as it came, shortened, and is never taken for good news. Field names and reasons are those of
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and the event reasons of the kubelet.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

NEVER = 0.0  # waiting does not mend it
SOON = 60.0  # made by somebody at the same time, perhaps: a secret, a volume
ROOM = 1800.0  # others have to end first
WEIGHTS = "weights"  # the container that copies a pod's weights before it starts
TOO_MUCH_MEMORY = "used more memory than its limit"
EXIT_CODE = "ended with exit code"
_LONGEST = 500

_DISRUPTIONS = {
    "EvictionByEvictionAPI": "evicted: its node is being drained, or somebody asked for it",
    "PreemptionByScheduler": "evicted for a pod of higher priority",
    "DeletionByTaintManager": "evicted: its node has a taint that it does not tolerate",
    "DeletionByPodGC": "lost with its node",
    "TerminationByKubelet": "evicted by its node",
}
_BAD_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|name unknown|invalid reference|InvalidImageName", re.IGNORECASE
)
_NO_RIGHT_TO_PULL = re.compile(
    r"unauthori[sz]ed|authentication required|denied|forbidden|\b40[13]\b", re.IGNORECASE
)
_UNTRUSTED = re.compile(r"certificate signed by unknown authority")
_ON_THE_WAY = re.compile(  # what an error passed through before it said anything
    r'Back-off pulling image "[^"]*"(?:: ErrImagePull)?:? ?|rpc error: code = \w+ desc = '
    r'|failed to (?:pull and unpack image|resolve reference|do request|resolve image|copy)(?: "[^"]*")?: '
    r'|(?:Head|Get) "[^"]*": '
)
_NO_IMAGE_VOLUMES = 'failed to mkdir ""'  # an older containerd sees a mount of nothing
_MOUNT_EVENTS = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedPrepareDynamicResources"}
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something does not get on. `patience`: seconds after which it will not mend itself."""

    words: str
    patience: float


def of_pod(pod: Object, events: Iterable[Object] = ()) -> Trouble | None:
    """Why a pod that has not ended does not get on; None while nothing speaks against it."""
    unscheduled = _condition(pod, "PodScheduled", "False")
    if unscheduled is not None:
        return _not_placed(unscheduled)
    for status in containers(pod):
        trouble = _of_container(status, events)
        if trouble is not None:
            return trouble
    if pod.get("status", {}).get("phase") == "Pending":
        return _of_mounts(events)
    return None


def failed_container(pod: Object, names: Sequence[str]) -> Object | None:
    """The state `terminated` of the first of these containers that ended badly, else of the last one."""
    states = {s.get("name"): s.get("state", {}).get("terminated") for s in containers(pod)}
    ended = [states[name] for name in names if states.get(name)]
    badly = (state for state in ended if state.get("exitCode") != 0)
    return next(badly, states.get(names[-1]))


def ended(pod: Object, *names: str) -> str | None:
    """Why a pod ended badly, or is being ended by the cluster; None where its commands ended well.

    `names` are the containers that run them, in their order.
    """
    status = pod.get("status", {})
    disrupted = disruption(pod)
    if disrupted is not None:
        return disrupted
    reason, message = status.get("reason", ""), status.get("message", "")
    if reason:
        return _pod_reason(reason, message)
    uncopied = next((s for s in containers(pod) if s.get("name") == WEIGHTS), None)
    if uncopied and (why := _uncopied(uncopied.get("state", {}).get("terminated") or {"exitCode": 0})):
        return f"did not run: {why}"
    state = failed_container(pod, names)
    if state is None:
        return None if status.get("phase") == "Succeeded" else "ended unseen"
    return command_ended(state)


def command_ended(state: Object) -> str | None:
    """What a container's `terminated` state says; None for exit code 0."""
    code, reason = state.get("exitCode", -1), state.get("reason", "")
    if reason == "OOMKilled":
        return TOO_MUCH_MEMORY
    if reason in {"StartError", "ContainerCannotRun"}:
        return f"could not be started: {_cause(state.get('message', ''))}"
    if code == 0:
        return None
    if code > 128 and code - 128 < 65:
        return f"was killed by signal {code - 128}"
    return f"{EXIT_CODE} {code}"


def last_end(pods: Iterable[Object]) -> str:
    """How that container ended which ended last and was started again, to be read after "it"; empty where
    none was."""
    ended = [found for pod in pods for one in containers(pod) if (found := _ended_before(one))]
    last = max(ended, key=lambda state: state.get("finishedAt") or "", default=None)
    return "" if last is None else command_ended(last) or "ended by itself"


def _ended_before(status: Object) -> Object | None:
    """How it ended last, where it was started again or will be."""
    if not status.get("restartCount"):
        return None
    states = (status.get("state", {}), status.get("lastState", {}))
    return next((found for one in states if (found := one.get("terminated"))), None)


def disruption(pod: Object) -> str | None:
    """The cluster's own reason to end a pod, from its condition `DisruptionTarget`."""
    condition = _condition(pod, "DisruptionTarget", "True")
    if condition is None:
        return None
    known = _DISRUPTIONS.get(condition.get("reason", ""), "evicted")
    message = condition.get("message", "")
    return f"{known} ({short(message)})" if "node was low" in message.lower() else known


def creation(message: str) -> Trouble:
    """Why a controller may not make a pod, from its event or condition `FailedCreate`."""
    quota = re.search(r"exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)", message)
    if quota:
        name, asked, used, limit = (part.strip() for part in quota.groups())
        words = f"the quota {name} is used up: it asks for {asked}, {used} is used of {limit}"
        return Trouble(words, ROOM)
    unsaid = re.search(r"failed quota: ([^:]+): must specify (.+)", message)
    if unsaid:
        return Trouble(f"the quota {unsaid[1]} wants {unsaid[2].strip()} to be said", NEVER)
    account = re.search(r'serviceaccount "([^"]+)" not found', message)
    if account:
        return Trouble(f"there is no service account {account[1]} in the namespace", SOON)
    priority = re.search(r"no PriorityClass with name (\S+) was found", message)
    if priority:
        return Trouble(f"the cluster has no priority class {priority[1]}", SOON)
    security = re.search(r'violates PodSecurity "([^"]+)": (.+)', message)
    if security:
        return Trouble(f"the namespace's pod security {security[1]} forbids it: {short(security[2])}", NEVER)
    hook = re.search(r'admission webhook "([^"]+)" denied the request: ?(.*)', message)
    if hook:
        return Trouble(f"the cluster's rule {hook[1]} forbids it: {short(hook[2])}", NEVER)
    bound = re.search(r"is forbidden: (\[?(?:maximum|minimum) .+)", message)
    if bound:
        return Trouble(f"the namespace's limit range forbids it: {short(bound[1])}", NEVER)
    return Trouble(f"the pod cannot be made: {short(message)}", SOON)


def of_deployment(deployment: Object) -> Trouble | None:
    """Why a Deployment gets no pods, from its conditions; where there are pods, they say more."""
    failed = _condition(deployment, "ReplicaFailure", "True")
    return None if failed is None else creation(failed.get("message", ""))


def failed_creation(events: Iterable[Object]) -> Trouble | None:
    """The newest reason for which a Job or ReplicaSet could make no pod; None after one was made."""
    newest = max(
        (event for event in events if event.get("reason") in {"FailedCreate", "SuccessfulCreate"}),
        key=_when,
        default=None,
    )
    if newest is None or newest["reason"] == "SuccessfulCreate":
        return None
    return creation(newest.get("message", ""))


def unschedulable(message: str) -> str:
    """The scheduler's message in words: `0/3 nodes are available: 2 Insufficient cpu, 1 …`."""
    found = re.match(r"0/(\d+) nodes are available: (.+)", message, re.DOTALL)
    if not found:
        return short(message) or "no node can take it"
    whole = re.split(r"\. |(?<!\d)\.$|, (?=preemption: )", found[2])[0]
    causes = (_cause_of_node(part, found[1]) for part in re.split(r", (?=\d+ )", whole))
    return f"no node can take it: {', '.join(causes)}"


def short(text: str) -> str:
    """A text of the cluster's on one line, at most 500 characters of it."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _not_placed(condition: Object) -> Trouble:
    message = condition.get("message", "")
    if condition.get("reason") == "SchedulingGated":
        return Trouble("something of the cluster's holds it back (a scheduling gate)", ROOM)
    if "persistentvolumeclaim" in message and "not found" in message:
        claim = re.search(r'persistentvolumeclaim "([^"]+)" not found', message)
        return Trouble(f"there is no volume claim {claim[1] if claim else ''}".rstrip(), SOON)
    return Trouble(unschedulable(message), ROOM)


def _cause_of_node(part: str, nodes: str) -> str:
    """One clause: how many nodes, and what speaks against them."""
    count, _, what = part.strip().rstrip(".").partition(" ")
    some = f"{count} of {nodes}"
    if lacking := re.match(r"Insufficient (\S+)", what):
        return f"{some} with too little {lacking[1]} left"
    if taint := re.search(r"untolerated taint(?:\(s\))? ?(\{.*\})?", what):
        shown = f" {taint[1]}" if taint[1] else ""
        return f"{some} with a taint{shown} that it does not tolerate"
    if "affinity/selector" in what or "node selector" in what:
        return f"{some} without the labels of its node selector"
    if "unschedulable" in what:
        return f"{some} closed for new pods"
    if "Too many pods" in what:
        return f"{some} with as many pods as it may have"
    return f"{some}: {what}"


def _of_container(status: Object, events: Iterable[Object]) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting")
    if waiting is None:
        return None
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULLING:
        return _pull(status.get("image", ""), reason, message, events)
    if reason in _BAD_CONFIG:
        return _config(message)
    if reason in {"CrashLoopBackOff", "RunContainerError"}:
        last = status.get("lastState", {}).get("terminated") or {}
        if status.get("name") == WEIGHTS and (uncopied := _uncopied(last)):
            return Trouble(uncopied, SOON)
        why = command_ended(last) or "ended by itself"
        return Trouble(f"it {why}, {status.get('restartCount', 0)} times", SOON)
    return None


def _uncopied(terminated: Object) -> str | None:
    """Why the weights were not copied; the last line that the copy printed says it best."""
    why = command_ended(terminated)
    lines = (terminated.get("message") or "").strip().splitlines()
    return None if why is None else f"the weights were not copied: {short(lines[-1]) if lines else why}"


def _pull(image: str, reason: str, message: str, events: Iterable[Object]) -> Trouble:
    """A registry that is away may come back; an image that is not there, or is not ours, will not."""
    named = re.search(r'image "([^"]+)"', message)  # it may be one that is mounted
    image = named[1] if named else image
    cause = _cause(message) or _cause(_newest(events, "Failed"))
    if reason == "InvalidImageName" or _NO_SUCH_IMAGE.search(cause):
        return Trouble(f"the image {image} cannot be pulled: the registry has none of this name", NEVER)
    if _NO_RIGHT_TO_PULL.search(cause):
        absent = re.search(r"pull secrets \(([^)]+)\)", _newest(events, "FailedToRetrieveImagePullSecret"))
        hint = f"there is no pull secret {absent[1]}" if absent else "it wants a login; name a pull secret"
        return Trouble(f"the image {image} cannot be pulled: {hint}", NEVER)
    told = short(cause) or reason
    if _UNTRUSTED.search(cause):
        told += "; its node's container runtime has to know the authority, as certs.d of containerd says it"
    return Trouble(f"the image {image} cannot be pulled: {told}", NEVER if "NeverPull" in reason else ROOM)


def _config(message: str) -> Trouble:
    """The kubelet's words for a secret, config map or user that does not fit."""
    missing = re.search(r'(secret|configmap) "([^"]+)" not found', message)
    if missing:
        kind = {"secret": "secret", "configmap": "config map"}[missing[1]]
        return Trouble(f"there is no {kind} {missing[2]} in the namespace", SOON)
    key = re.search(r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)", message)
    if key:
        return Trouble(f"the {key[2]} {key[3]} has no key {key[1]}", SOON)
    if _NO_IMAGE_VOLUMES in message:
        return Trouble(
            "its node cannot mount an image as a volume: that takes containerd 2.1 or CRI-O 1.31", NEVER
        )
    if "runAsNonRoot" in message:
        return Trouble("the image wants to run as root, which is not allowed here", NEVER)
    return Trouble(f"the container cannot be made: {_cause(message)}", SOON)


def _of_mounts(events: Iterable[Object]) -> Trouble | None:
    message = _newest(events, *_MOUNT_EVENTS)
    if not message:
        return None
    missing = re.search(r'(secret|configmap) "([^"]+)" not found', message)
    if missing:
        return _config(message)
    key = re.search(r"references non-existent secret key: (\S+)", message)
    if key:
        return Trouble(f"the secret that it mounts has no key {key[1]}", SOON)
    return Trouble(f"the pod cannot be set up: {short(message)}", ROOM)


def _pod_reason(reason: str, message: str) -> str:
    """`status.reason` of a pod that the kubelet refused or ended."""
    match reason:
        case "DeadlineExceeded":
            return "did not end in time"
        case "Evicted":
            return f"was evicted: {short(message)}"
        case "NodeLost":
            return "was lost with its node"
        case "UnexpectedAdmissionError":
            return f"was refused by its node: {short(message)}"
        case _ if reason.startswith("OutOf"):
            return f"was refused by its node, which has too little {reason.removeprefix('OutOf')} left"
        case _:
            return f"was ended by its node ({reason}): {short(message)}"


def _cause(message: str) -> str:
    """The innermost part of a chain of errors that says something by itself."""
    found = re.search(r'exec: \\?"(.+?)\\?": (.+?)(?:: unknown)?$', message)
    if found:
        return f"{found[1]}: {short(found[2])}"
    return short(_ON_THE_WAY.sub("", message))


def _newest(events: Iterable[Object], *reasons: str) -> str:
    """What the newest of these events says; empty where there is none."""
    found = max((e for e in events if e.get("reason") in reasons), key=_when, default={})
    return str(found.get("message", ""))


def _condition(thing: Object, kind: str, status: str) -> Object | None:
    conditions: list[Object] = thing.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind and c.get("status") == status), None)


def containers(pod: Object) -> list[Object]:
    """What a pod says of its containers, those first that run before the others."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _when(event: Object) -> str:
    """RFC 3339 in UTC sorts as text; the kubelet fills one field, the scheduler another."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time for time in times if time), event.get("metadata", {}).get("creationTimestamp") or "")
