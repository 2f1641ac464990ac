"""A metrics adapter whose numbers a test says: the APIs of custom and external metrics, by aggregation.

What it answers are the types of https://github.com/kubernetes/metrics; who asks is not looked at.
"""

import json
import ssl
import subprocess
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

EXTERNAL, CUSTOM = "external.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2"
GROUPS = (EXTERNAL, CUSTOM)


class Adapter(ThreadingHTTPServer):
    """`external` are values by metric, `pods` what each pod has of a metric; `asked` who was asked for what."""

    daemon_threads = True

    def __init__(self, kubectl, host, folder):
        super().__init__((host, 0), _Handler)
        self.kubectl, self.external, self.pods, self.asked = kubectl, {}, {}, []
        self.socket = _context(folder).wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def values(self, group, path, query):
        """The answer to what an autoscaler asks."""
        namespace, *rest = path
        selector, now = query.get("labelSelector", [""])[0], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.asked.append((rest[-1], selector))
        if group == EXTERNAL:
            known = {"metricName": rest[-1], "metricLabels": {}, "timestamp": now}
            items = [{**known, "value": str(self.external[rest[-1]])}]
            return {"kind": "ExternalMetricValueList", "apiVersion": group, "metadata": {}, "items": items}
        pods = self.kubectl.get("pods", "-n", namespace, "-l", selector)["items"]
        items = [
            {
                "describedObject": {"kind": "Pod", "namespace": namespace, "name": pod["metadata"]["name"]},
                "metric": {"name": rest[-1]},
                "timestamp": now,
                "value": str(self.pods[rest[-1]]),
            }
            for pod in pods
        ]
        return {"kind": "MetricValueList", "apiVersion": group, "metadata": {}, "items": items}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        words = parts.path.strip("/").split("/")
        group, rest = "/".join(words[1:3]), words[3:]
        if group in GROUPS and rest[:1] == ["namespaces"]:
            told = self.server.values(group, rest[1:], parse_qs(parts.query))
        else:
            kind = {EXTERNAL: "ExternalMetricValueList", CUSTOM: "MetricValueList"}.get(group, "")
            names = [*self.server.external, *(f"pods/{name}" for name in self.server.pods)]
            known = [
                {"name": n, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
                for n in names
            ]
            told = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": known}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def objects(namespace, host, port):
    """What makes the API server ask the adapter for both groups."""
    name = {"name": "told-metrics", "namespace": namespace}
    slice_ = {**name, "labels": {"kubernetes.io/service-name": "told-metrics"}}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": name, "spec": {"ports": [{"name": "s", "port": 443, "targetPort": port}]}}  # fmt: skip
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": slice_,
        "addressType": "IPv4",
        "ports": [{"name": "s", "port": port}],
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
    }
    for group in GROUPS:
        group_name, _, version = group.partition("/")
        yield {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{version}.{group_name}"},
            "spec": {
                "group": group_name,
                "version": version,
                "service": {**name, "port": 443},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        }


def _context(folder):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=told"]
    made = [*command, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
