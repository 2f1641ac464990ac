"""Certificates and kubeconfigs of a cluster that lives for an hour; made with openssl.

Names and organisations are what Kubernetes' own roles are bound to. The front proxy has an authority
of its own: since 1.37 the API server refuses one that it trusts for clients, too.
"""

import base64
import json
import subprocess
from pathlib import Path

from tests.cluster.local.place import API_PORT, Place

_CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "dns": "/CN=system:coredns",
    "metrics": "/CN=system:metrics-server",
}


def make(place: Place) -> None:
    """Write all certificates, keys and kubeconfigs of the cluster."""
    (place.folder / "pki").mkdir(mode=0o700)
    for authority in ("ca", "front-proxy-ca"):
        _authority(place, authority)
    # Not genpkey: the API server takes the public half only from a key in the older form.
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", place.key("service-accounts"))
    names = ["DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:localhost"]
    addresses = ["IP:127.0.0.1", f"IP:{place.node_ip}", f"IP:{place.service_ip(1)}"]
    _issue(place, "apiserver", "/CN=kube-apiserver", [*names, *addresses])
    _issue(place, "metrics-serving", "/CN=metrics", ["DNS:metrics.kube-system.svc"])
    node = [f"DNS:{place.netns}", f"IP:{place.node_ip}"]
    _issue(place, "kubelet", f"/O=system:nodes/CN=system:node:{place.netns}", node)
    _issue(place, "front-proxy", "/CN=front-proxy-client", [], authority="front-proxy-ca")
    for name, subject in _CLIENTS.items():
        _issue(place, name, subject, [])
    for name in ("kubelet", *_CLIENTS):
        _write_private(place.client(name), kubeconfig(place, name))


def kubeconfig(place: Place, user: str) -> str:
    """A kubeconfig that needs no other file, so that it can be handed to anybody. JSON is YAML."""
    cluster = {
        "server": f"https://{place.node_ip}:{API_PORT}",
        "certificate-authority-data": _encoded(place.certificate("ca")),
    }
    credentials = {
        "client-certificate-data": _encoded(place.certificate(user)),
        "client-key-data": _encoded(place.key(user)),
    }
    name = place.netns
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return json.dumps(whole, indent=1)


_NEW = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")


def _authority(place: Place, name: str) -> None:
    files = ("-keyout", place.key(name), "-out", place.certificate(name))
    _openssl("req", "-x509", *_NEW, "-subj", f"/CN={place.netns}-{name}", *files)


def _issue(place: Place, name: str, subject: str, names: list[str], authority: str = "ca") -> None:
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
    if names:
        extensions.append(f"subjectAltName={','.join(names)}")
    added = [word for extension in extensions for word in ("-addext", extension)]
    signer = ("-CA", place.certificate(authority), "-CAkey", place.key(authority))
    files = ("-keyout", place.key(name), "-out", place.certificate(name))
    _openssl("req", "-x509", *_NEW, "-subj", subject, *added, *signer, *files)


def _openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr}")


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
