"""etcd, API server, controller manager and scheduler, as processes with a log each.

The flags are those of a plain cluster, plus the aggregation layer (metrics come through it) and an
audit log of what service accounts ask for: rights are tested against it.
"""

import json
import subprocess
from typing import Any

from tests.cluster.local.place import API_PORT, Place
from tests.cluster.local.processes import start

_ETCD = "http://127.0.0.1:2379"


def start_all(place: Place) -> None:
    """Start it; the API server answers when this returns."""
    start_api(place)
    start(place, "kube-controller-manager", controller_manager(place))
    start(place, "kube-scheduler", scheduler(place))


def start_api(place: Place) -> None:
    """Start etcd and the API server, which answers when this returns."""
    (place.folder / "audit.json").write_text(json.dumps(_audit_policy()))
    start(place, "etcd", etcd(place))
    start(place, "kube-apiserver", api_server(place)).wait_for(lambda: ready(place))


def ready(place: Place) -> bool:
    """Whether the API server says so."""
    return kubectl(place, "get", "--raw", "/readyz").returncode == 0


def kubectl(place: Place, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl as administrator."""
    command = [place.program("kubectl"), "--kubeconfig", str(place.client("admin")), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, input=given)


def apply(place: Place, objects: list[dict[str, Any]]) -> None:
    """Apply objects as administrator."""
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    done = kubectl(place, "apply", "--server-side", "-f", "-", given=whole)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


def etcd(place: Place) -> list[object]:
    """Without fsync: nobody needs this cluster after a power cut."""
    return [
        place.program("etcd"),
        f"--data-dir={place.folder / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
    ]


def api_server(place: Place) -> list[object]:
    """See https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/."""
    return [
        place.program("kube-apiserver"),
        f"--etcd-servers={_ETCD}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={place.node_ip}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={place.services}",
        *_pair(place, "apiserver", "tls-cert-file", "tls-private-key-file"),
        f"--client-ca-file={place.certificate('ca')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={place.key('service-accounts')}",
        f"--service-account-signing-key-file={place.key('service-accounts')}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--enable-admission-plugins=NodeRestriction",
        *_pair(place, "admin", "kubelet-client-certificate", "kubelet-client-key"),
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        *_aggregation(place),
        f"--audit-policy-file={place.folder / 'audit.json'}",
        f"--audit-log-path={place.folder / 'logs' / 'audit.log'}",
    ]


def controller_manager(place: Place) -> list[object]:
    """See https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/."""
    return [
        place.program("kube-controller-manager"),
        f"--kubeconfig={place.client('controller-manager')}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={place.key('service-accounts')}",
        f"--root-ca-file={place.certificate('ca')}",
        *_pair(place, "ca", "cluster-signing-cert-file", "cluster-signing-key-file"),
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={place.pods}",
        "--leader-elect=false",
    ]


def scheduler(place: Place) -> list[object]:
    """There is one, so it need not be elected."""
    return [
        place.program("kube-scheduler"),
        f"--kubeconfig={place.client('scheduler')}",
        "--leader-elect=false",
    ]


def _pair(place: Place, name: str, certificate: str, key: str) -> tuple[str, str]:
    return f"--{certificate}={place.certificate(name)}", f"--{key}={place.key(name)}"


def _aggregation(place: Place) -> list[str]:
    return [
        *_pair(place, "front-proxy", "proxy-client-cert-file", "proxy-client-key-file"),
        f"--requestheader-client-ca-file={place.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--enable-aggregator-routing=true",  # kube-proxy's rules are not asked for what is on the node
    ]


def _audit_policy() -> dict[str, object]:
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
            {"level": "None"},
        ],
    }
