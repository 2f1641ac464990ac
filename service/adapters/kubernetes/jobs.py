"""Runs evaluations as `batch/v1` Jobs of a cluster."""

import json
import time
from collections.abc import Callable

from policies.place import Place
from service.adapters.kubernetes import job_manifest, labels, reasons
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.job_states import Form
from service.adapters.kubernetes.named_jobs import NamedJobs
from service.adapters.process import results
from service.ports.connections import Cluster
from service.ports.jobs import Job, Result

FORM = Form(results.told, lambda result: json.dumps(dict(result.metrics)).encode())


class KubernetesJobs(NamedJobs[Result]):
    """Evaluations in the place's namespace. `patience`: seconds for which one may wait for room."""

    def __init__(
        self,
        api: Api,
        cluster: Cluster,
        place: Place,
        patience: float = reasons.ROOM,
        clock: Callable[[], float] = time.time,
    ) -> None:
        namespace = place.namespace or cluster.namespace
        super().__init__(api, cluster.owner, namespace, form=FORM, patience=patience, clock=clock)

    def start(self, job: Job) -> None:
        """Begin, unless a job of this name runs or has ended well; a failed one starts anew.

        Raises `Refused` where an object of that name is somebody else's, or runs something else.
        """
        whose = labels.labels("", "", self._owner)
        self.begin(job.name, job_manifest.manifest(job, whose, self._patience))
