"""`batch/v1` Jobs of a cluster, each run once and found again by name, whatever they are for.

The Job is the record: the API server lets one of a name be made, and the outcome that was told first
is written into it. Nothing is decided here; `job_manifest` says what is made, `job_states` what is seen.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from service.adapters.kubernetes import job_manifest, job_states, labels, pod_logs, reasons
from service.adapters.kubernetes.answers import Stale, Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.job_states import Form
from service.adapters.kubernetes.kinds import EVENT, JOB, POD
from service.adapters.kubernetes.transport import Object
from service.ports.outcomes import Failed, Gone, PortError, Refused, Retry, Working
from service.ports.printing import Printed

T = TypeVar("T")
_UID = "batch.kubernetes.io/controller-uid"
_TAIL = 200  # lines of a log
_TRIES = 4  # of a write that others' writes may come before


class NamedJobs(Generic[T]):
    """The Jobs of one namespace that end with a T; `what` people call one.

    `patience`: seconds for which one may wait for room.
    """

    def __init__(
        self,
        api: Api,
        owner: str,
        namespace: str,
        *,
        form: Form[T],
        what: str = "job",
        patience: float = reasons.ROOM,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._owner = owner
        self._namespace = namespace
        self._form = form
        self._cancelled = Failed(f"the {what} was cancelled")
        self._patience = patience
        self._clock = clock

    def begin(self, name: str, body: Object) -> None:
        """Make the Job, unless one of this name runs or has ended well; a failed one starts anew.

        Raises `Refused` where an object of that name is somebody else's, or runs something else.
        """
        try:
            self._api.create(JOB, self._namespace, body)
        except Taken:
            self._adopt(name, body)

    def state(self, name: str) -> Working | T | Failed | Gone:
        """How far it is; its outcome is kept when it is first seen."""
        job = self._ours(name)
        if job is None:
            return Gone()
        try:
            return self._look(job)
        except Stale:  # somebody wrote in between, and may have kept another outcome: the next look tells
            return Working("ending")

    def logs(self, name: str) -> str:
        """The end of what it printed: from its pod, or as it was kept with the outcome."""
        job = self._ours(name)
        if job is None:
            return ""
        told = (job["metadata"].get("annotations") or {}).get(job_states.LOG)
        if told is not None:
            return str(told)
        pod = job_states.newest(self._pods(job))
        return "" if pod is None else self._log(pod["metadata"]["name"])

    def read_on(self, name: str, mark: str) -> Printed:
        """What its pods printed behind the mark, one pod after the other."""
        job = self._ours(name)
        pods = [] if job is None else sorted(self._pods(job), key=job_states.age)
        names = [pod["metadata"]["name"] for pod in pods]
        return pod_logs.read_on(names, self._form.containers, mark, self._timed)

    def cancel(self, name: str) -> None:
        """End it; one that has ended is left as it is."""
        for _ in range(_TRIES):
            job = self._ours(name)
            if job is None or not isinstance(self._look(job), Working):
                return
            try:
                self._end(job, self._cancelled, self.logs(name))
            except Stale:
                continue
            return
        raise Retry(f"the job {name} changes while it is cancelled")

    def _adopt(self, name: str, body: Object) -> None:
        found = self._get(name)
        if found is None:
            raise Retry(f"the job {name} was there a moment ago")
        labels.check_owner(found, self._owner)
        metadata = found["metadata"]
        if metadata.get("deletionTimestamp"):
            raise Retry(f"the job {name} is being deleted")
        if isinstance(self._look(found), Failed):
            self._api.delete(JOB, self._namespace, metadata["name"], uid=metadata["uid"])
            try:
                self._api.create(JOB, self._namespace, body)
            except Taken:  # by a try whose answer was lost, or by the failed one, which is not gone yet
                raise Retry(f"the job {name} is being started anew") from None
            return
        made = (metadata.get("annotations") or {}).get(labels.SPEC)
        if made != body["metadata"]["annotations"][labels.SPEC]:
            words = f"the name of the job {metadata['name']} is taken: it runs something else"
            raise Refused(f"{words}; delete it, or wait until it has ended and been cleaned away")

    def _look(self, job: Object) -> Working | T | Failed:
        kept = job_states.kept(job, self._form)
        if kept is not None:
            return kept
        pods = self._pods(job)
        events = self._events(job, pods) if job_states.waits(job, pods) else []
        seen = job_states.look(job, pods, events, self._clock(), self._patience, form=self._form)
        if isinstance(seen.state, Working):
            return seen.state
        log = self._log(seen.pod) if seen.pod else ""
        if isinstance(seen.state, Failed):
            (self._end if seen.going else self._keep)(job, seen.state, log)
            return Failed(seen.state.reason, log)
        self._keep(job, seen.state, log)
        return seen.state

    def _keep(self, job: Object, outcome: T | Failed, log: str) -> None:
        """Raises `Stale` where somebody wrote in between."""
        kept = job_states.keeping(job, outcome, log, self._form)
        self._api.replace(JOB, self._namespace, job["metadata"]["name"], kept)

    def _end(self, job: Object, outcome: Failed, log: str) -> None:
        """Keep the outcome and end what runs, in one write: the cluster ends a Job that is out of time."""
        self._keep({**job, "spec": {**job["spec"], "activeDeadlineSeconds": 1}}, outcome, log)

    def _ours(self, name: str) -> Object | None:
        found = self._get(name)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return None
        try:
            labels.check_owner(found, self._owner)
        except Refused:
            return None
        return found

    def _get(self, name: str) -> Object | None:
        return self._api.get(JOB, self._namespace, job_manifest.object_name(name))

    def _pods(self, job: Object) -> list[Object]:
        return self._api.list(POD, self._namespace, labels=f"{_UID}={job['metadata']['uid']}")

    def _events(self, job: Object, pods: list[Object]) -> list[Object]:
        about = job_states.newest(pods) or job
        return self._api.list(EVENT, self._namespace, fields=f"involvedObject.uid={about['metadata']['uid']}")

    def _timed(self, pod: str, container: str, since: str) -> str:
        return self._api.timed_logs(self._namespace, pod, container, since, pod_logs.MOST)

    def _log(self, pod: str) -> str:
        return "".join(self._log_of(pod, container) for container in self._form.containers)

    def _log_of(self, pod: str, container: str) -> str:
        try:
            return self._api.logs(self._namespace, pod, container, _TAIL)
        except PortError:  # a node that is gone takes its logs with it; the outcome counts all the same
            return ""
