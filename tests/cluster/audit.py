"""What the API server's audit log says that a service account asked for, and what its Roles allow it to ask."""

import json
import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one kind of object (`pods/log` has its own), of one name where the Role says one."""

    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self):
        return f"{self.verb} {self.resource}"


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request."""

    right: Right
    namespace: str
    allowed: bool
    url: str


# Everybody who is logged in may ask what oneself may do; and, without any object, for version and health.
EVERYBODYS = {"selfsubjectaccessreviews"}
_SEGUES = r"system:serviceaccount:segue-test-[0-9a-f]+:"


def log_of(kubeconfig):
    """Where a cluster of ours, known by its kubeconfig, writes the log; other clusters have none there."""
    return kubeconfig.parent / "logs" / "audit.log"


def check(log, objects, namespace, account="segue", *, restarted=False):
    """Fails where the account was denied anything, or asked for more than its Roles among the objects say.
    How many calls it made. `restarted`: what a server denies that has just started is not held against it."""
    rights, made = granted(objects, account), calls(log, namespace, account)
    assert restarted or [call for call in made if not call.allowed] == []
    asked = [one for one in made if one.right.resource and one.right.resource not in EVERYBODYS]
    assert [call for call in asked if not covers(rights, call)] == []
    return len(made)


def calls(log, namespace, account):
    """All calls of a service account so far."""
    return _calls(log, re.compile(f'"system:serviceaccount:{namespace}:{account}"'))


def used(log, account="segue"):
    """What this account of all tests used so far, as in "get pods/log": also of those that ran before."""
    return {str(call.right) for call in _calls(log, re.compile(f'"{_SEGUES}{account}"')) if call.allowed}


def _calls(log, who):
    with log.open() as lines:
        return [_call(json.loads(line)) for line in lines if who.search(line)]


def _call(event):
    about = event.get("objectRef") or {}
    kind = "/".join(filter(None, (about.get("resource", ""), about.get("subresource"))))
    right = Right(about.get("apiGroup", ""), kind, event["verb"], about.get("name", ""))
    allowed = event["annotations"]["authorization.k8s.io/decision"] == "allow"
    return Call(right, about.get("namespace", ""), allowed, event["requestURI"])


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


def covers(rights, call):
    """Whether one of the rights allows the call."""
    asked = call.right
    return any(
        namespace == call.namespace and right in {asked, replace(asked, name="")}
        for namespace, right in rights
    )
