"""What an operator connected: where events come from, and the clusters that versions serve in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Data planes of which it was seen that they mark what a single version is asked and answers, as routes of
# Segue's own tell them: which version it is, and which users to keep there.
MARKING = frozenset({"traefik"})


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a receiver is told, and to whom it goes on from there.

    `turns` are those of `policies.notices`; none: what its kind is told of. `to` are addresses of mail,
    each with a glob over `model/environment`, `sender` the one that mail comes from.
    """

    turns: tuple[str, ...] = ()
    sender: str = ""
    to: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A connection that an operator made: a repository or a registry, and the targets it may own.

    `owns` are globs over `model/environment`. Its hook secret is the secret file `hook-<keyring>`, its
    login the secret file `login-<keyring>`. A repository that came with its organisation is named
    `<organisation>.<repository>` and has the secrets of that connection.
    """

    name: str
    kind: str  # the event source's and adapter's name: bare, gitea, github, gitlab, mlflow, registry
    url: str
    owns: tuple[str, ...] = ("*",)
    people: tuple[tuple[str, str], ...] = ()  # of a chat: the ids of those who may command, and who they are
    subscription: Subscription = Subscription()  # of a receiver

    @property
    def keyring(self) -> str:
        """The name that its secrets, and the people who speak there, are known by."""
        return keyring(self.name)

    @property
    def member(self) -> bool:
        """Whether it came with its organisation: then it has no hook of its own."""
        return self.keyring != self.name


def subscription(stored: Mapping[str, Any] | None) -> Subscription:
    """What a receiver is told, of its JSON form; None: of what is no receiver."""
    told = stored or {}
    to = tuple((address, where) for address, where in told.get("to", ()))
    return Subscription(tuple(told.get("turns", ())), told.get("sender", ""), to)


def keyring(name: str) -> str:
    """The same of a source's name: names that people give have no dot."""
    return name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected Kubernetes cluster: how it is reached, and what of it Segue may use.

    `kubeconfig` None: the service account of the pod that Segue runs in. `gateway` (namespace/name)
    is what routes of our own attach to, `address` the URL at which it is reached. `metrics` is the
    URL of the counters of the data plane `plane`: its own /metrics, or a Prometheus that scrapes it.
    """

    name: str
    kubeconfig: str | None = None
    context: str | None = None  # of the kubeconfig; None: its current one
    namespace: str = "default"  # where workloads, jobs and routes of our own live
    gateway: str | None = None
    address: str | None = None
    metrics: str | None = None
    plane: str = "traefik"
    default: bool = False  # environments that name no cluster serve here
    gitops: str | None = None  # source:branch:folder that workloads are committed to; None: applied by us
    owner: str = ""  # this installation's name on all that it makes there; made when it is connected
