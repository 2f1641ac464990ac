"""KServe's controller as a process of this machine, and models under its care as its users declare them.

It runs in Standard mode (Deployments and Services, no Knative) without an ingress of its own. Its webhook server
cannot be switched off and wants a certificate; as no webhook is configured, nobody calls it.
"""

import json
import subprocess
from contextlib import contextmanager

from bench.peers import controllers
from tests.cluster.local.around import Module
from tests.running import free_port

_KINDS = (
    "inferenceservices",
    "servingruntimes",
    "clusterservingruntimes",
    "trainedmodels",
    "inferencegraphs",
    "clusterstoragecontainer/clusterstoragecontainers",
)


def _file(kind):
    folder, slash, name = kind.rpartition("/")
    return f"{folder}{slash}serving.kserve.io_{name}.yaml"


KSERVE = Module(
    "github.com/kserve/kserve",
    "v0.17.0",
    "cmd/manager",
    tuple(f"config/crd/full/{_file(kind)}" for kind in _KINDS),
    name="kserve-manager",
)
_NAMESPACE = "kserve"
# It refuses every model without each of these, whatever the model needs of them.
_SETTINGS = {
    "inferenceService": {},
    "deploy": {"defaultDeploymentMode": "Standard"},
    "ingress": {"ingressGateway": "none/none", "disableIngressCreation": True},
    "storageInitializer": {
        "image": "registry.example/none:1",
        "cpuRequest": "10m",
        "cpuLimit": "1",
        "memoryRequest": "16Mi",
        "memoryLimit": "1Gi",
    },
}


@contextmanager
def running(kubectl, login, folder):
    """The controller with its definitions, acting as a login; its process id."""
    _certify(folder / "k8s-webhook-server" / "serving-certs")
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": _NAMESPACE, "name": "inferenceservice-config"},
            "data": {name: json.dumps(value) for name, value in _SETTINGS.items()},
        },
    )
    ports = {name: free_port() for name in ("metrics", "probes", "webhooks")}
    flags = [f"--metrics-addr=127.0.0.1:{ports['metrics']}", f"--webhook-port={ports['webhooks']}"]
    flags += [f"--health-probe-addr=127.0.0.1:{ports['probes']}"]
    environ = {"KUBECONFIG": str(login), "TMPDIR": str(folder), "POD_NAMESPACE": _NAMESPACE}
    with controllers.running(kubectl, KSERVE, flags, folder, **environ) as pid:
        yield pid
    kubectl.run("delete", "namespace", _NAMESPACE, "--wait=false")


def model(where, name, image, port):
    """An InferenceService of one container of its own, with two pods."""
    container = {
        "name": "kserve-container",
        "image": image,
        "ports": [{"containerPort": port, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": port}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "namespace": where,
            "name": name,
            "annotations": {"serving.kserve.io/autoscalerClass": "none"},
        },
        "spec": {"predictor": {"minReplicas": 2, "containers": [container]}},
    }


def _certify(folder):
    folder.mkdir(parents=True)
    made = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    )
    files = ("-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt"))
    subprocess.run(("openssl", *made, "-subj", "/CN=kserve", *files), check=True, capture_output=True)
