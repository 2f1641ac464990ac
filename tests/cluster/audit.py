"""What the API server's audit log says that a service account asked for, and what its Roles allow it to ask."""

import json
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one kind of object (`pods/log` has its own), of one name where the Role says one."""

    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self):
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request."""

    right: Right
    namespace: str
    status: int
    url: str


# Everybody who is logged in may ask these: what oneself may do, and which version and kinds there are.
EVERYBODYS = {Right("authorization.k8s.io", "selfsubjectaccessreviews", "create")}


def calls(kubeconfig, namespace, account="segue"):
    """All calls of a service account so far. Skips the test where the log cannot be reached."""
    log = kubeconfig.parent / "logs" / "audit.log"
    if not log.is_file():
        pytest.skip(
            f"this cluster's audit log is not at {log}: only our own cluster shows what was asked for"
        )
    who = f"system:serviceaccount:{namespace}:{account}"
    with log.open() as lines:
        events = [json.loads(line) for line in lines if f'"{who}"' in line]
    return [_call(event) for event in events]


def _call(event):
    about = event.get("objectRef") or {}
    parts = (about.get("resource", ""), about.get("subresource"))
    right = Right(
        about.get("apiGroup", ""), "/".join(filter(None, parts)), event["verb"], about.get("name", "")
    )
    return Call(right, about.get("namespace", ""), event["responseStatus"]["code"], event["requestURI"])


def granted(objects, account="segue"):
    """The rights of a service account among a chart's objects: (namespace, right), one by one."""
    roles = {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in objects if o["kind"] == "Role"}
    return {
        (binding["metadata"]["namespace"], right)
        for binding in objects
        if binding["kind"] == "RoleBinding" and account in {s["name"] for s in binding["subjects"]}
        for rule in roles[binding["metadata"]["namespace"], binding["roleRef"]["name"]]["rules"]
        for right in _rights(rule)
    }


def _rights(rule):
    return {
        Right(group, resource, verb, name)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def uses(call, rights):
    """The granted right that the call rests on; None where there is none."""
    asked = call.right
    for namespace, right in rights:
        same = (asked.group, asked.resource, asked.verb) == (right.group, right.resource, right.verb)
        if same and namespace == call.namespace and right.name in {"", asked.name}:
            return namespace, right
    return None
