"""The doctor of a real cluster: what it finds missing, and the line that mends it."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import yaml

from policies.place import Place
from service.adapters.kubernetes import looking
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, RESOURCE_QUOTA, SERVICE
from service.ports.clusters import Served
from service.ports.traffic import Route
from tests.cluster.kubectl import Kubectl
from tests.cluster.routing import Gateway, kubeconfig, pods
from tests.running import Model, wait_until

TARGET = "fraud/production"
WORN = {"app": "fraud", "team": "risk"}


@pytest.fixture(scope="module")
def gateway():
    """A namespace with everything that a takeover needs."""
    with Gateway() as running:
        running.service("fraud-2", TARGET, "candidate")
        running.models["fraud"] = Model("stable", host="0.0.0.0").__enter__()  # noqa: S104 (the cluster's gateway asks it)
        running.create(DEPLOYMENT, "fraud", spec={**pods("none", WORN), "replicas": 0})
        running.create(
            SERVICE, "fraud", spec={"ports": [{"name": "http", "port": 80}], "selector": {"app": "fraud"}}
        )
        running.reach("fraud")
        match = {"path": {"type": "PathPrefix", "value": "/fraud"}}
        running.route("shop", [{"matches": [match], "backendRefs": [{"name": "fraud", "port": 80}]}])
        router = GatewayRouter(running.ours, running.cluster, Place("test", running.namespace))
        router.set(Route(TARGET, 1, (running.backend("fraud-2", 100.0),)))
        wait_until(lambda: requests.get(router.address(TARGET), timeout=5).ok)
        wait_until(lambda: requests.get(f"{running.cluster.address}/fraud", timeout=5).ok)
        yield running


def place(gateway, **changed):
    at = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/shop")
    return replace(at, **changed)


def troubles(gateway, cluster=None, **changed):
    cluster = cluster or gateway.cluster
    # The chart lets Segue read the gateway that it is told of, and no other.
    api = gateway.ours if cluster.gateway == gateway.cluster.gateway else gateway.api
    found = looking.examine(api, cluster, [Served("fraud/production", place(gateway, **changed))])
    return {(one.check, one.detail): one.mend for one in found if not one.ok}


def only(found, *words):
    """The one trouble's words and mend; each of the words is in one of them."""
    assert len(found) == 1, found
    ((check, detail), mend) = next(iter(found.items()))
    text = f"{check} {detail} {mend}"
    assert [word for word in words if word not in text] == []


def test_nothing_is_amiss_where_all_is_there(gateway):
    assert troubles(gateway) == {}


def test_callers_inside_the_cluster_are_told_of(gateway):
    found = looking.examine(gateway.ours, gateway.cluster, [Served(TARGET, place(gateway))])
    assert any("past the split" in one.detail and one.ok for one in found)


def counts(gateway):
    """What the doctor says of the target's versions: how often each was asked, by the data plane's counters."""
    found = looking.examine(gateway.ours, gateway.cluster, [Served(TARGET, place(gateway))])
    (told,) = [one.detail for one in found if one.ok and "counts each by itself" in one.detail]
    pairs = re.findall(
        r"(\S+)\." + gateway.namespace + r" (\d+) requests, (\d+) of them errors \(service=", told
    )
    return {name: (int(asked), int(errors)) for name, asked, errors in pairs}


def split(gateway, **weights):
    """Give Services shares of the route that is taken over."""
    refs = [{"name": name.replace("_", "-"), "port": 80, "weight": n} for name, n in weights.items()]
    match = {"path": {"type": "PathPrefix", "value": "/fraud"}}
    spec = {"spec": {"rules": [{"matches": [match], "backendRefs": refs}]}}
    gateway.api.patch(HTTP_ROUTE, gateway.namespace, "shop", spec)


def asked(gateway, *names):
    """How many requests each version's own server heard, and how many of them it answered with 500."""
    models = gateway.models
    return {
        name: (len(models[name].asked), len(models[name].asked) * (models[name].status >= 500))
        for name in names
    }


def test_both_versions_are_counted_by_themselves_before_and_during_a_split(gateway):
    """The doctor's numbers are what the versions' own servers heard."""
    url = f"{gateway.cluster.address}/fraud"
    assert counts(gateway) == asked(gateway, "fraud")
    gateway.service("fraud-3", TARGET, "candidate three").status = 500
    split(gateway, fraud=50, fraud_3=50)
    wait_until(lambda: requests.get(url, timeout=5).status_code == 500)
    for _ in range(9):
        requests.get(url, timeout=5)
    assert counts(gateway) == asked(gateway, "fraud", "fraud-3")
    split(gateway, fraud=100)
    wait_until(lambda: [requests.get(url, timeout=5).ok for _ in range(8)] == [True] * 8)
    gateway.api.delete(SERVICE, gateway.namespace, "fraud-3")


def test_a_version_that_nobody_asked_yet_is_unknown_and_one_request_mends_it(gateway):
    url = f"{gateway.cluster.address}/fraud"
    gateway.stop()
    gateway.start()  # Traefik counts anew
    wait_until(lambda: requests.get(f"{gateway.cluster.address}/{TARGET}", timeout=5).ok)
    mend = "send one through the route, then ask again"
    only(troubles(gateway), "unknown whether its versions are counted apart", "no request of fraud.", mend)
    wait_until(lambda: requests.get(url, timeout=5).ok)
    assert troubles(gateway) == {}


def test_a_traefik_that_does_not_count_by_service_is_mended_by_the_flag_that_is_told(gateway):
    url = f"{gateway.cluster.address}/fraud"

    def restarted(by_service):
        gateway.stop()
        gateway.by_service = by_service
        gateway.start()
        wait_until(lambda: requests.get(url, timeout=5).ok)

    restarted(by_service=False)
    flag = "--metrics.prometheus.addServicesLabels=true"
    only(troubles(gateway), "traefik counts requests, and not by the Service", flag)
    restarted(by_service=True)
    assert troubles(gateway) == {}


WRONG = {
    "no such gateway": (lambda c: {"gateway": f"{c.namespace}/none"}, {}, ("there is no Gateway", "segue cluster test --gateway")),
    "no address": (lambda c: {"address": None}, {}, ("users reach", "--address")),
    "no metrics": (lambda c: {"metrics": None}, {}, ("none are known", "--metrics")),
    "metrics that do not answer": (lambda c: {"metrics": "http://127.0.0.1:9/metrics"}, {}, ("no answer", "--metrics")),
    "a Prometheus that is none": (lambda c: {"metrics": f"prometheus+{c.metrics}"}, {}, ("otherwise than its API", "--metrics")),
    "no such Deployment": (lambda c: {}, {"deployment": "none"}, ("no Deployment", "serve: {deployment")),
    "a Deployment without a Service": (lambda c: {}, {"deployment": "fraud-idle"}, ("no Service selects", "kubectl expose deployment fraud-idle")),
}  # fmt: skip


@pytest.mark.parametrize("why", WRONG)
def test_what_is_missing_is_named_with_what_to_type(gateway, why):
    cluster, at, words = WRONG[why]
    if at.get("deployment") == "fraud-idle":
        gateway.create(DEPLOYMENT, "fraud-idle", spec={**pods("none", {"app": "idle"}), "replicas": 0})
    changed = replace(gateway.cluster, **cluster(gateway.cluster))
    only(troubles(gateway, changed, **at), *words)


def test_a_route_that_is_not_there_and_one_that_goes_past_the_split_are_both_named(gateway):
    found = troubles(gateway, route=f"{gateway.namespace}/none")
    details = [detail for _, detail in found]
    assert any("there is no route" in one for one in details)
    assert any("shop leads to" in one and "past the split" in one for one in details)


def test_a_gateway_that_takes_no_routes_from_elsewhere_is_mended_by_one_line(gateway):
    """The line is run, and then nothing is amiss."""
    found = looking.gateway(gateway.ours, gateway.cluster, ["default"])
    (trouble,) = [one for one in found if not one.ok]
    assert trouble.detail == "it takes no routes from default"
    subprocess.run(trouble.mend, shell=True, check=True, env={**_env()}, capture_output=True)  # noqa: S602 (the line that people paste)
    assert [one for one in looking.gateway(gateway.ours, gateway.cluster, ["default"]) if not one.ok] == []


def test_a_full_quota_is_named(gateway):
    gateway.api.create(
        RESOURCE_QUOTA,
        gateway.namespace,
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"services": "2"}}},
    )  # fmt: skip
    wait_until(
        lambda: gateway.api.get(RESOURCE_QUOTA, gateway.namespace, "few").get("status", {}).get("used")
    )
    only(troubles(gateway), "few: services 2 of 2", "kubectl edit resourcequota")
    gateway.api.delete(RESOURCE_QUOTA, gateway.namespace, "few")


def test_a_policy_that_would_leave_the_candidate_out_is_named(gateway):
    """A candidate's pods are not `app: fraud`: the Service would send them users at once."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "models", "namespace": gateway.namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "fraud"}}, "policyTypes": ["Egress"]},
    }
    Kubectl(kubeconfig()).apply(policy)
    only(troubles(gateway), "networkpolicies models selects by app", "let it select by team: risk")
    Kubectl(kubeconfig()).run("delete", "networkpolicy", "models", "-n", gateway.namespace)


def test_each_right_that_is_missing_is_named_as_the_rule_that_gives_it(gateway, tmp_path):
    """A login that may only read Deployments: with the rules that the doctor says, it may all."""
    kubectl = Kubectl(kubeconfig())
    where = ("-n", gateway.namespace)
    kubectl.run("create", "serviceaccount", "reader", *where)
    kubectl.run("create", "role", "reader", "--verb=get,list", "--resource=deployments.apps", *where)
    binding = ("--role=reader", f"--serviceaccount={gateway.namespace}:reader")
    kubectl.run("create", "rolebinding", "reader", *binding, *where)
    login = _login(tmp_path, kubectl.run("create", "token", "reader", *where).strip())
    api = Api.of(replace(gateway.cluster, kubeconfig=str(login)))
    found = list(looking.rights(api, gateway.cluster, gateway.namespace))
    assert all(not one.ok for one in found)
    rules = [yaml.safe_load(one.mend.partition(": - ")[2]) for one in found]
    kubectl.run(
        *("patch", "role", "reader", *where, "--type=json", "-p"),
        json.dumps([{"op": "add", "path": "/rules/-", "value": rule} for rule in rules]),
    )
    wait_until(
        lambda: [one for one in looking.rights(api, gateway.cluster, gateway.namespace) if not one.ok] == []
    )


def test_a_route_that_may_not_be_written_is_named_with_its_gateway(gateway, tmp_path):
    kubectl = Kubectl(kubeconfig())
    kubectl.run("create", "serviceaccount", "stranger", "-n", gateway.namespace)
    token = kubectl.run("create", "token", "stranger", "-n", gateway.namespace).strip()
    api = Api.of(replace(gateway.cluster, kubeconfig=str(_login(tmp_path, token))))
    route = gateway.api.get(HTTP_ROUTE, gateway.namespace, "shop")
    found = [one.mend for one in looking.route_rights(api, TARGET, HTTP_ROUTE, route)]
    assert [one.partition("resources: ")[2] for one in found] == [
        "[httproutes], resourceNames: [shop], verbs: [get]}",
        "[httproutes], resourceNames: [shop], verbs: [update]}",
        "[gateways], resourceNames: [gateway], verbs: [get]}",
    ]


def test_the_command_says_it_and_ends_with_1_until_the_line_that_it_says_was_typed(gateway, tmp_path):
    env = {"SEGUE_HOME": str(tmp_path), "PATH": _env()["PATH"]}
    segue = str(Path(sys.executable).with_name("segue"))
    wanted = gateway.cluster
    made = [segue, "cluster", "test", "--kubeconfig", kubeconfig(), "--namespace", wanted.namespace]
    made += ["--gateway", wanted.gateway, "--address", wanted.address, "--metrics", wanted.metrics]
    subprocess.run([*made, "--plane", "nginx"], env=env, check=True, capture_output=True)
    asked = [segue, "doctor", "--cluster", "test", "--json"]
    done = subprocess.run(asked, env=env, check=False, capture_output=True, text=True)
    (trouble,) = [one for one in json.loads(done.stdout) if not one["ok"]]
    assert (done.returncode, trouble["check"]) == (1, "metrics")
    assert "is counted as traefik counts" in trouble["detail"]
    subprocess.run([segue, *shlex.split(trouble["mend"])[1:]], env=env, check=True, capture_output=True)
    done = subprocess.run(asked, env=env, check=False, capture_output=True, text=True)
    assert (done.returncode, [one for one in json.loads(done.stdout) if not one["ok"]]) == (0, [])
    asked[3] = "other"
    done = subprocess.run(asked, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "there is no cluster 'other'; known: test" in done.stderr


def _env():
    import os  # noqa: PLC0415 (kubectl reads its own variable)

    return {"PATH": os.environ["PATH"], "KUBECONFIG": kubeconfig(), "HOME": os.environ["HOME"]}


def _login(folder, token):
    config = yaml.safe_load(Path(kubeconfig()).read_text())
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    path = folder / "login.conf"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_namespace_that_is_not_there_is_told_with_what_makes_it(gateway):
    (found,) = looking.quota(gateway.api, "segue-nowhere")
    assert (found.ok, found.mend) == (False, "make it: kubectl create namespace segue-nowhere")
