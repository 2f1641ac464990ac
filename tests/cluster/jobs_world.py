"""Jobs in one namespace of a real cluster, run from an image of the tests' own interpreter."""

import time

from policies.place import Place
from policies.spec.declaration_cluster import PodNeeds
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.jobs import KubernetesJobs
from service.adapters.kubernetes.kinds import POD, SERVICE_ACCOUNT
from service.ports.connections import Cluster
from service.ports.jobs import Job, Limits
from tests.cluster import interpreter

WRITE = "import os; open(os.environ['SEGUE_RESULT'], 'w').write({!r})"
GOOD = '{"accuracy": 0.5, "size": 3}'


class World:
    """What the contract of job runners asks of a world, and what tests look at there."""

    def __init__(self, kubeconfig, namespace, image, login=None):
        """`login`: the kubeconfig that jobs are run with, where it is not the administrator's."""
        self.namespace, self.image = namespace, image
        self.cluster = Cluster("test", str(kubeconfig), owner="segue-test")
        self.api = Api.of(self.cluster)
        self.ours = self.api if login is None else Api.of(Cluster("test", str(login)))
        self.jobs = self.runner()

    def runner(self, **more):
        return KubernetesJobs(self.ours, self.cluster, Place("test", self.namespace), **more)

    def settle(self):
        """Wait for the service account that every pod has, which is made after the namespace."""
        until = time.monotonic() + 60
        while self.api.get(SERVICE_ACCOUNT, self.namespace, "default") is None:
            assert time.monotonic() < until
            time.sleep(0.1)

    def python(self, code, name="job", *, seconds=60.0, memory=256 << 20, image=None, pod=None, **env):
        run = (str(interpreter.executable()), "-I", "-S", "-c", code)
        limits = Limits(0.1, memory, seconds)
        return Job(name, image or self.image, run, limits, tuple(env.items()), pod or PodNeeds())

    def well(self):
        return self.python(WRITE.format(GOOD))

    def badly(self):
        return self.python("print('oh no', flush=True); import sys; sys.exit(3)")

    def long(self):
        return self.python("import time; print('here', flush=True); time.sleep(600)")

    def pods(self, name="job"):
        return self.api.list(POD, self.namespace, labels=f"batch.kubernetes.io/job-name={name}")

    def make(self, kind, name, /, **body):
        group = {"apiVersion": kind.api_version, "metadata": {"name": name}}
        return self.api.create(kind, self.namespace if kind.namespaced else None, {**group, **body})
