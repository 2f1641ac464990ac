"""A world with a connected cluster in which a Deployment was running before Segue came."""

from service.adapters.memory.deployment import MemoryDeployment
from service.bootstrap import Site
from service.ports.connections import Cluster
from service.ports.outcomes import Retry
from tests.scenarios.conftest import World

FRAUD = """\
name: fraud
build: {lock: requirements.lock}
deployment: ml/fraud
route: ml/fraud
risk: 1%
ladder: [10%, 30%, 60%, 100%]
dwell: 5s
warm_up: 0s
watch: 10s
"""
TARGET, FOUND = "fraud/production", "fraud.ml"


class Rooms:
    """Remembers who was given room. `then` happens in the middle of giving it, once."""

    def __init__(self):
        self.made, self.settled = [], []
        self.then = None

    def make_room(self, stable, candidate, weight):
        self.made.append((stable, weight))
        then, self.then = self.then, None
        if then is not None:
            then()
        if len(self.made) % 2 == 0:
            raise Retry("1 of 2 pods are ready")

    def settle(self, names):
        self.settled.append(names)


class ClusterWorld(World):
    """The world with a connected cluster in which `fraud` was running before."""

    def __init__(self, home, **settings):
        images, base = "http://registry.invalid/models", "http://registry.invalid/base"
        super().__init__(home, images=images, base=base, **settings)
        self.deployment = MemoryDeployment(FOUND, "registry.invalid/models/fraud@sha256:old")
        self.rooms = Rooms()
        self.parts.open_site = self._site
        with self.store.change() as change:
            change.save_cluster(Cluster("prod", namespace="ml"))

    def _site(self, cluster, place):
        assert (cluster.name, place.namespace) == ("prod", "ml")
        return Site(
            self.deployment,
            self.jobs,
            self.router,
            self.metrics,
            lambda *_: "asked",
            self.deployment,
            self.rooms,
            kept=self.deployment,
        )

    def take_over(self, **files):
        """The first release; the target has been adopted and the candidate has its first traffic."""
        self.push({"segue.yaml": FRAUD, "requirements.lock": "", "serve.py": "1", **files})
        self.settle()
        self.play(2)
        return self.releases()[-1]
