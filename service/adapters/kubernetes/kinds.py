"""The kinds of objects that Segue reads or writes, and the paths at which an API server has them."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in one API version: `apps/v1`, or `v1` for the core group; its name in the plural."""

    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def title(self) -> str:
        """As people and error messages name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Where the API server has it. No namespace: the objects of all namespaces."""
        parts = ["apis" if self.group else "api", *self.api_version.split("/")]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace, safe=":")]
        parts += [self.plural, *(quote(part, safe=":") for part in (name, subresource) if part)]
        return "/" + "/".join(parts)


CONFIG_MAP = Kind("v1", "configmaps")
CRD = Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False)
DEPLOYMENT = Kind("apps/v1", "deployments")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "endpointslices")
EVENT = Kind("v1", "events")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "gateways")
GATEWAY_CLASS = Kind("gateway.networking.k8s.io/v1", "gatewayclasses", namespaced=False)
GRPC_ROUTE = Kind("gateway.networking.k8s.io/v1", "grpcroutes")
HPA = Kind("autoscaling/v2", "horizontalpodautoscalers")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "httproutes")
INGRESS = Kind("networking.k8s.io/v1", "ingresses")
JOB = Kind("batch/v1", "jobs")
LIMIT_RANGE = Kind("v1", "limitranges")
NAMESPACE = Kind("v1", "namespaces", namespaced=False)
NETWORK_POLICY = Kind("networking.k8s.io/v1", "networkpolicies")
NODE = Kind("v1", "nodes", namespaced=False)
PDB = Kind("policy/v1", "poddisruptionbudgets")
POD = Kind("v1", "pods")
REPLICA_SET = Kind("apps/v1", "replicasets")
RESOURCE_QUOTA = Kind("v1", "resourcequotas")
SECRET = Kind("v1", "secrets")
SERVICE = Kind("v1", "services")
SERVICE_ACCOUNT = Kind("v1", "serviceaccounts")
TRAEFIK_SERVICE = Kind("traefik.io/v1alpha1", "traefikservices")
VIRTUAL_SERVICE = Kind("networking.istio.io/v1", "virtualservices")
