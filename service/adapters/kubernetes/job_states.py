"""How far a job is, told from its Job, pods and events: pure, and the same for whoever looks.

The Job's conditions decide that it has ended; the pod that ended first says how. What was once told is
kept at the Job as annotations, so that it stays the same when pods are gone or say something else.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from service.adapters.kubernetes import job_manifest, reasons
from service.adapters.kubernetes.job_manifest import CONTAINER, QUEUE, RESULT_BYTES, limits_of
from service.adapters.process import results
from service.ports.outcomes import Failed, Working

Object = dict[str, Any]
T = TypeVar("T")

OUTCOME, LOG = "segue.dev/outcome", "segue.dev/log"
_LOG_CHARACTERS = 16_000  # annotations of an object have 256 KiB in all
_ENDED = frozenset({"Complete", "Failed"})


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """What jobs tell when they end: `read` from the message of a pod, `write` what can be read again.

    `containers` of the pod run one after the other, and the last one tells the result. `explain` makes
    words of the message of one that failed by itself; None where it says nothing more than its exit code.
    """

    read: Callable[[bytes], T | Failed]
    write: Callable[[T], bytes]
    containers: tuple[str, ...] = (CONTAINER,)
    explain: Callable[[str], str | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What a look found: `pod` is whose log belongs to it; `going`: the cluster still works at it."""

    state: Working | T | Failed
    pod: str | None = None
    going: bool = True


def kept(job: Object, form: Form[T]) -> T | Failed | None:
    """The outcome that was told before."""
    annotations = job["metadata"].get("annotations") or {}
    if OUTCOME not in annotations:
        return None
    told = json.loads(annotations[OUTCOME])
    if "failed" in told:
        return Failed(told["failed"], annotations.get(LOG, ""))
    return form.read(told["told"].encode())


def keeping(job: Object, outcome: T | Failed, log: str, form: Form[T]) -> Object:
    """The Job with its outcome and the end of what it printed."""
    if isinstance(outcome, Failed):
        told = {"failed": outcome.reason}
    else:
        told = {"told": form.write(outcome).decode()}
    added = {OUTCOME: json.dumps(told, sort_keys=True), LOG: log[-_LOG_CHARACTERS:]}
    metadata = {**job["metadata"], "annotations": {**(job["metadata"].get("annotations") or {}), **added}}
    return {**job, "metadata": metadata}


def look(
    job: Object,
    pods: Sequence[Object],
    events: Sequence[Object],
    now: float,
    patience: float,
    *,
    form: Form[T],
) -> Seen[T]:
    """How far it is at `now`, when nothing waits for room longer than `patience` seconds.

    `events` are those of the Job and of its newest pod; they are asked for only while it waits.
    """
    ended = _ended(job)
    if ended:
        well = any(one["type"] == "Complete" for one in ended)
        return _well(job, pods, form) if well else _badly(job, pods, ended[0], form)
    if job["spec"].get("suspend"):
        queue = (job["metadata"].get("labels") or {}).get(QUEUE, "")
        return Seen(Working(f"waiting in the queue {queue}"))
    pod = newest(pods)
    if pod is None:
        since = job.get("status", {}).get("startTime") or job["metadata"]["creationTimestamp"]
        return _waiting(reasons.failed_creation(events), since, now, patience, None)
    return _going(job, pod, events, now, patience)


def newest(pods: Sequence[Object]) -> Object | None:
    """The pod that was made last: one before it was ended by the cluster, or there is none."""
    return max(pods, key=age, default=None)


def age(pod: Object) -> tuple[str, str]:
    """Sorts pods by when they were made."""
    return _name_of_age(pod, "creationTimestamp")


def waits(job: Object, pods: Sequence[Object]) -> bool:
    """Whether there may be a reason to ask the events for."""
    if _ended(job) or job["spec"].get("suspend"):
        return False
    pod = newest(pods)
    return pod is None or pod.get("status", {}).get("phase") == "Pending"


def _ended(job: Object) -> list[Object]:
    conditions = job.get("status", {}).get("conditions") or []
    return [one for one in conditions if one.get("type") in _ENDED and one.get("status") == "True"]


def _going(job: Object, pod: Object, events: Sequence[Object], now: float, patience: float) -> Seen[Any]:
    name = pod["metadata"]["name"]
    disrupted = reasons.disruption(pod)
    if disrupted is not None:
        return Seen(Working(f"its pod is {disrupted}; another one follows"), name)
    trouble = reasons.of_pod(pod, events)
    if trouble is not None:
        return _waiting(trouble, pod["metadata"]["creationTimestamp"], now, patience, name)
    begun = _begun(pod)
    if begun and _late(job, begun, now):
        return Seen(_not_in_time(job), name)
    running = begun or pod.get("status", {}).get("phase") != "Pending"
    return Seen(Working("running" if running else "starting"), name)


def _waiting(
    trouble: reasons.Trouble | None, since: str, now: float, patience: float, pod: str | None
) -> Seen[Any]:
    """Trouble is waited out, but not for ever."""
    if trouble is None:
        return Seen(Working("starting"), pod)
    if now - _seconds(since) < min(trouble.patience, patience):
        return Seen(Working(f"waiting: {trouble.words}"), pod)
    return Seen(Failed(f"the job could not run: {trouble.words}"), pod)


def _well(job: Object, pods: Sequence[Object], form: Form[T]) -> Seen[T]:
    """The result of the pod that ended first: a second one that ended too, on a node that was thought
    to be lost, changes nothing."""
    done = [pod for pod in pods if pod.get("status", {}).get("phase") == "Succeeded"]
    if not done:
        words = "the job ended, but its pod is gone and with it its result; run it again"
        return Seen(Failed(words), going=False)
    first = min(done, key=_end)
    state, name = _state(first, "terminated"), first["metadata"]["name"]
    if (begun := _begun(first)) and _late(job, begun, _seconds(state["finishedAt"])):
        return Seen(_not_in_time(job), name, going=False)  # nobody was there to end it
    elsewhere = job_manifest.ELSEWHERE in (job["metadata"].get("annotations") or {})
    if elsewhere:
        return Seen(form.read(b"{}"), name, going=False)
    outcome: T | Failed = _result(state, form)
    return Seen(outcome, name, going=False)


def _result(terminated: Object, form: Form[T]) -> T | Failed:
    message = terminated.get("message") or ""
    content = message.encode()
    if not content:
        return results.unfit(results.NONE)
    if len(content) >= RESULT_BYTES:
        return results.unfit(f"it is not smaller than {RESULT_BYTES} bytes, which is all that a pod can tell")
    return form.read(content)


def _badly(job: Object, pods: Sequence[Object], condition: Object, form: Form[Any]) -> Seen[Any]:
    failed = [pod for pod in pods if pod.get("status", {}).get("phase") == "Failed"]
    undisturbed = [pod for pod in failed if reasons.disruption(pod) is None]
    pod = min(undisturbed or failed, key=_end, default=None)
    name = None if pod is None else pod["metadata"]["name"]
    if condition.get("reason") == "DeadlineExceeded":
        return Seen(
            Failed("the job was not done in time: it waited too long for its turn"), name, going=False
        )
    if pod is None:
        deleted = condition.get("reason") == "BackoffLimitExceeded"
        told = "somebody deleted its pod" if deleted else reasons.short(condition.get("message", ""))
        words = f"the job ended unseen: {told}"
        return Seen(Failed(words), going=False)
    return Seen(Failed(_why(job, pod, form)), name, going=False)


def _why(job: Object, pod: Object, form: Form[Any]) -> str:
    """Why its command ended, with the numbers of the limits that it met, or in its own words."""
    limits = limits_of(job)
    why = reasons.ended(pod, *form.containers) or "ended unseen"
    if why == reasons.TOO_MUCH_MEMORY and limits.memory:
        why = f"{why} of {limits.memory >> 20} MiB"
    told = None
    if why.startswith(reasons.EXIT_CODE):
        state = reasons.failed_container(pod, form.containers) or {}
        told = form.explain(state.get("message") or "")
    return told or f"the job {why}"


def _late(job: Object, begun: str, now: float) -> bool:
    """Whether a command that began then has had its time; the cluster's times are whole seconds."""
    seconds = limits_of(job).seconds
    return seconds > 0 and now - _seconds(begun) > seconds + 1


def _not_in_time(job: Object) -> Failed:
    return Failed(f"the job did not end within {limits_of(job).seconds:g} s")


def _begun(pod: Object) -> str:
    """When the first of its containers began; empty while none has. One that could not be started says
    1970."""
    states = [status.get("state", {}) for status in reasons.containers(pod)]
    times = [state[which].get("startedAt") for state in states for which in ("running", "terminated")
             if state.get(which)]  # fmt: skip
    return min((time for time in times if time and not time.startswith("1970")), default="")


def _state(pod: Object, which: str) -> Object:
    """What the command's container says under `running` or `terminated`."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    found: Object = next((one for one in statuses if one.get("name") == CONTAINER), {})
    state: Object = found.get("state", {}).get(which) or {}
    return state


def _end(pod: Object) -> tuple[str, str]:
    return _state(pod, "terminated").get("finishedAt") or "9", pod["metadata"]["name"]


def _name_of_age(pod: Object, key: str) -> tuple[str, str]:
    return pod["metadata"].get(key) or "", pod["metadata"]["name"]


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
