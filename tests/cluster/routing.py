"""A real Traefik on this machine as a cluster's gateway, and Services whose endpoints are on this machine.

So the traffic never enters the cluster: its API server must be reachable, nothing else. What is made
in the cluster is one namespace and one GatewayClass, and both are gone afterwards.
"""

import os
import secrets
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
import yaml

from policies.place import Place
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import (
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    NAMESPACE,
    SERVICE,
    Kind,
)
from service.adapters.kubernetes.labels import TARGET, value
from service.adapters.traefik.daemon import TraefikDaemon
from service.ports.connections import Cluster
from service.ports.traffic import Backend
from service.settings import Settings
from tests.cluster import logins
from tests.cluster.kubectl import Kubectl
from tests.running import Model, free_port, wait_until

OWNER = "tests"


def kubeconfig():
    """The cluster under test."""
    return os.environ["SEGUE_TEST_KUBECONFIG"]


def this_machine(path):
    """The address of this machine that the cluster's API server lies behind."""
    config = yaml.safe_load(Path(path).read_text())
    host = urlsplit(config["clusters"][0]["cluster"]["server"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host.hostname, host.port or 443))
        return probe.getsockname()[0]


class Space:
    """A namespace that is gone afterwards. `api` has the administrator's rights, `ours` those that the chart gives
    to Segue there: what is Segue's is tested with them."""

    reference = ()  # of the gateway that the chart is told of

    def __init__(self):
        self.namespace = f"segue-test-{secrets.token_hex(4)}"
        self.api = Api.of(Cluster("test", kubeconfig=kubeconfig()))
        self._ending = ExitStack()

    def __enter__(self):
        self.api.create(NAMESPACE, None, {"metadata": {"name": self.namespace}})
        self._ending.callback(self.api.delete, NAMESPACE, None, self.namespace)
        folder = Path(self._ending.enter_context(tempfile.TemporaryDirectory()))
        given = logins.given(Kubectl(Path(kubeconfig())), self.namespace, self, folder / "login")
        login = str(self._ending.enter_context(given))
        self.ours = Api.of(Cluster("test", kubeconfig=login))
        return self

    def __exit__(self, *error):
        self._ending.close()

    def create(self, kind, name, **body):
        metadata = {"name": name, "namespace": self.namespace, **body.pop("metadata", {})}
        return self.api.create(kind, self.namespace, {**_typed(kind), "metadata": metadata, **body})

    def endpoint(self, service, address, port, *, ready=True):
        """Say where a Service's requests go, as the cluster says it of a pod."""
        self.create(
            ENDPOINT_SLICE,
            service,
            metadata={"labels": {"kubernetes.io/service-name": service}},
            addressType="IPv4",
            ports=[{"name": "http", "port": port}],
            endpoints=[{"addresses": [address], "conditions": {"ready": ready}}],
        )


class Nowhere(Space):
    """A namespace with Services and routes that nobody serves: what is stored is all there is."""

    def __init__(self):
        super().__init__()
        self.cluster = Cluster("test", kubeconfig=kubeconfig(), namespace=self.namespace, owner=OWNER)

    def place(self, kind, name):
        """A model that is taken over with this route."""
        return Place("test", self.namespace, "fraud", f"{kind}/{self.namespace}/{name}")

    def service(self, name, target=None, selector=None):
        """A Service; labelled as one of ours with a target."""
        marks = {} if target is None else {TARGET: value(target)}
        spec = {"ports": [{"name": "http", "port": 80}], **({"selector": selector} if selector else {})}
        self.create(SERVICE, name, metadata={"labels": marks}, spec=spec)
        self.endpoint(name, "192.0.2.1", 9)

    def backend(self, name, weight):
        return Backend(f"{name}.{self.namespace}", f"http://{name}.{self.namespace}.svc:80", weight)


class Gateway(Space):
    """A namespace with a Gateway that a Traefik of our own serves."""

    def __init__(self, throttle="100ms"):
        super().__init__()
        self.reference = (self.namespace, "gateway")
        self.port, self.control = free_port(), free_port()
        self.throttle = throttle
        self.folder = tempfile.TemporaryDirectory()
        self._ending.callback(self.folder.cleanup)
        self.process = None
        self.by_service = True  # whether it counts by Service
        self.listen = None  # where the entry point listens instead, for one more replica
        self.models = {}
        self.cluster = Cluster(
            "test",
            kubeconfig=kubeconfig(),
            namespace=self.namespace,
            gateway=f"{self.namespace}/gateway",
            address=f"http://127.0.0.1:{self.port}",
            metrics=f"http://127.0.0.1:{self.control}/metrics",
            owner=OWNER,
        )

    def __enter__(self):
        super().__enter__()
        name = self.namespace
        self.api.create(
            GATEWAY_CLASS,
            None,
            {
                **_typed(GATEWAY_CLASS),
                "metadata": {"name": name, "labels": {"segue-test": name}},
                "spec": {"controllerName": "traefik.io/gateway-controller"},
            },
        )
        listener = {
            "name": "web",
            "protocol": "HTTP",
            "port": self.port,
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        }
        self.create(GATEWAY, "gateway", spec={"gatewayClassName": name, "listeners": [listener]})
        self.start()
        return self

    def start(self):
        program = TraefikDaemon.open(Settings(home=Path(self.folder.name))).program()
        arguments = [
            str(program),
            f"--entrypoints.web.address={self.listen or f'127.0.0.1:{self.port}'}",
            f"--entrypoints.traefik.address=127.0.0.1:{self.control}",
            "--api.insecure=true",
            *self.provider(),
            f"--providers.providersthrottleduration={self.throttle}",
            "--metrics.prometheus=true",
            f"--metrics.prometheus.addServicesLabels={'true' if self.by_service else 'false'}",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=WARN",
        ]
        with Path(self.folder.name, "traefik.log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, env={"KUBECONFIG": kubeconfig()}, stdout=log, stderr=log
            )
        wait_until(self._answers)

    def provider(self):
        """Where Traefik reads its routes."""
        return [
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.labelselector=segue-test={self.namespace}",
            f"--providers.kubernetesgateway.namespaces={self.namespace}",
        ]

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __exit__(self, *error):
        self.stop()
        for model in self.models.values():
            model.__exit__()
        self.api.delete(GATEWAY_CLASS, None, self.namespace)
        super().__exit__(*error)

    def log(self):
        return Path(self.folder.name, "traefik.log").read_text()

    def service(self, name, target=None, model=None, port=9, *, reached=True):
        """A Service in front of a model server on this machine, or of what listens at the port there; labelled
        as one of ours with a target.

        `reached`: it has an endpoint from the first; else `reach` gives it one.
        """
        marks = {} if target is None else {TARGET: value(target)}
        if model is not None:
            self.models[name] = Model(model, host="0.0.0.0").__enter__()  # noqa: S104 (the cluster's gateway asks it)
        self.create(SERVICE, name, metadata={"labels": marks}, spec={"ports": [{"name": "http", "port": 80}]})
        if reached:
            self.reach(name, port)
        return self.models.get(name)

    def reach(self, name, port=9, *, ready=True):
        """Give a Service its endpoint: its model server, or what listens at the port."""
        port = self.models[name].server_port if name in self.models else port
        self.endpoint(name, this_machine(kubeconfig()), port, ready=ready)

    @contextmanager
    def frozen(self):
        """Traefik hears and answers nothing, as on a machine that gives it no time."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def backend(self, name, weight):
        return Backend(f"{name}.{self.namespace}", f"http://{name}.{self.namespace}.svc:80", weight)

    def route(self, name, rules, **spec):
        """An HTTPRoute as people have one already."""
        parents = [{"name": "gateway"}]
        return self.create(HTTP_ROUTE, name, spec={"parentRefs": parents, "rules": rules, **spec})

    def _answers(self):
        assert self.process.poll() is None, self.log()
        try:
            return requests.get(f"http://127.0.0.1:{self.control}/metrics", timeout=1).ok
        except requests.RequestException:
            return False


class CustomResources(Gateway):
    """Traefik that reads its own custom resources."""

    def provider(self):
        return ["--providers.kubernetescrd=true", f"--providers.kubernetescrd.namespaces={self.namespace}"]


def pods(image, marks):
    """What a Deployment of one pod with these labels says."""
    template = {
        "metadata": {"labels": marks},
        "spec": {"containers": [{"name": "pause", "image": image, "imagePullPolicy": "IfNotPresent"}],
                 "terminationGracePeriodSeconds": 0},
    }  # fmt: skip
    return {"replicas": 1, "selector": {"matchLabels": marks}, "template": template}


def _typed(kind: Kind):
    titles = {
        "endpointslices": "EndpointSlice",
        "gateways": "Gateway",
        "gatewayclasses": "GatewayClass",
        "grpcroutes": "GRPCRoute",
        "httproutes": "HTTPRoute",
        "ingresses": "Ingress",
        "ingressroutes": "IngressRoute",
        "services": "Service",
        "pods": "Pod",
        "deployments": "Deployment",
        "traefikservices": "TraefikService",
        "virtualservices": "VirtualService",
    }
    return {"apiVersion": kind.api_version, "kind": titles[kind.plural]}
