"""The chart installed for real: in one pod, and as processes of their own on PostgreSQL and a broker."""

import pytest
import requests

from tests.cluster.installed import reached
from tests.cluster.objects import deployment, http_route, secret, service
from tests.running import wait_until

TOKEN = "the-token-of-the-operator-of-this-test"
HOME = "/var/lib/segue"


# --- one pod ---------------------------------------------------------------------------------


def test_one_pod_is_installed_by_one_line_keeps_what_it_knows_and_leaves_models_standing(
    kubectl, release, images, gateway, volume, segue_image
):
    where, host = release.namespace, f"{release.namespace}.test"
    kubectl.apply(deployment(where, "model", images.model("1")), service(where, "model"))
    kubectl.apply(http_route(where, "model", host, gateway.reference, {"model": 100}))
    kinds = ("deployment", "service", "httproute")
    standing = {kind: kubectl.get(kind, "model", "-n", where)["metadata"]["uid"] for kind in kinds}
    release.install({"image": segue_image, "persistence": volume})

    # What answers is asked as senders and people do: through the Service.
    address = reached(kubectl, where, "segue", 8471)
    segue = ("exec", "-n", where, "segue-0", "-c", "segue", "--", "segue")
    assert kubectl.run(*segue, "targets") == "nothing serves yet\n"
    token = kubectl.run(
        "exec", "-n", where, "segue-0", "-c", "segue", "--", "cat", f"{HOME}/secrets/operator-token"
    )
    shown = kubectl.run("logs", "-n", where, "segue-0", "-c", "connect")
    assert shown.startswith("cluster here answers: Kubernetes v1.")
    assert f"namespace {where}" in shown

    assert requests.post(f"http://{address}:8470/hooks/nobody", data=b"{}", timeout=10).status_code == 401
    login = {"Authorization": f"Bearer {token.strip()}"}
    told = requests.get(f"http://{address}:8471/api/v1/sources", headers=login, timeout=10)
    assert told.json()["sources"] == []

    # An update with the values of before and one more: the pod is another, the token the same.
    before = kubectl.get("pod", "segue-0", "-n", where)["metadata"]["uid"]
    release.upgrade({"podAnnotations": {"note": "two"}})
    assert kubectl.get("pod", "segue-0", "-n", where)["metadata"]["uid"] != before
    reached(kubectl, where, "segue", 8471)
    assert requests.get(f"http://{address}:8471/api/v1/sources", headers=login, timeout=10).status_code == 200

    # A backup out of the running pod is put back into another home.
    backup = kubectl.run("exec", "-n", where, "segue-0", "-c", "segue", "--", "sh", "-c",
                         "segue backup /tmp/all.tar.gz && SEGUE_HOME=/tmp/back segue restore /tmp/all.tar.gz"
                         " && cat /tmp/back/secrets/operator-token")  # fmt: skip
    assert backup.splitlines()[-1] == token.strip()

    release.uninstall()
    assert kubectl.get("statefulsets", "-n", where)["items"] == []
    assert [
        one["metadata"]["name"] for one in kubectl.get("persistentvolumeclaims", "-n", where)["items"]
    ] == (["home-segue-0"])
    assert {kind: kubectl.get(kind, "model", "-n", where)["metadata"]["uid"] for kind in standing} == standing
    wait_until(lambda: _version(gateway.url, host) == "1", seconds=60)


def _version(url, host):
    """Which version answers; None where nobody does."""
    try:
        return requests.get(url, headers={"Host": host}, timeout=10).headers.get("X-Version")
    except requests.ConnectionError:
        return None


def test_a_pod_whose_secrets_are_mounted_takes_the_token_and_says_where_to_put_the_next_secret(
    kubectl, release, segue_image
):
    where = release.namespace
    kubectl.apply(secret(where, "files", **{"operator-token": TOKEN}))
    values = {"image": segue_image, "persistence": {"enabled": False}, "secrets": {"existingSecret": "files"}}
    release.install(values)
    address = reached(kubectl, where, "segue", 8471)
    login = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.get(f"http://{address}:8471/api/v1/sources", headers=login, timeout=10).status_code == 200
    make = "git init -q --bare /tmp/models.git && SEGUE_GIT_ROOTS=/tmp segue connect git /tmp/models.git"
    with pytest.raises(RuntimeError, match=r"as hook-models, then connect the source again"):
        kubectl.run("exec", "-n", where, "segue-0", "-c", "segue", "--", "sh", "-c", make)


# --- processes by themselves -----------------------------------------------------------------


def test_split_processes_obey_a_command_on_a_database_and_a_broker_and_survive_an_update(
    kubectl, release, database, broker, segue_image
):
    where = release.namespace
    kubectl.apply(secret(where, "files", **{"operator-token": TOKEN}))
    kubectl.apply(secret(where, "database", url=database))
    kubectl.apply(secret(where, "broker", url=broker))
    once = {"intake": 1, "web": 1, "worker-urgent": 1}
    values = {
        "image": segue_image,
        "split": True,
        "replicas": once,
        "secrets": {"existingSecret": "files"},
        "database": {"existingSecret": "database"},
        "broker": {"existingSecret": "broker"},
    }
    release.install(values)
    for name, port in (("segue-intake", 8470), ("segue-web", 8471)):
        reached(kubectl, where, name, port)
    assert obeyed(kubectl, where)[1] == "there is no release rel-7; see: segue releases"

    release.upgrade({"replicas": {**once, "intake": 2}, "broker": {"existingSecret": ""}})
    ready = {
        one["metadata"]["name"]: one["status"].get("readyReplicas")
        for one in kubectl.get("deployments", "-n", where)["items"]
    }
    assert ready == {
        "segue-intake": 2, "segue-web": 1, "segue-worker-urgent": 1, "segue-worker-patient": 1,
        "segue-reconciler": 1, "segue-observer": 1,
    }  # fmt: skip
    assert obeyed(kubectl, where)[1] == "there is no release rel-7; see: segue releases"
    budgets = kubectl.get("poddisruptionbudgets", "-n", where)["items"]
    assert [one["metadata"]["name"] for one in budgets] == ["segue-intake"]


def obeyed(kubectl, namespace):
    """Give a command to intake, and wait until web has the worker's answer: the delivery, and what it says."""
    intake, web = (
        kubectl.get("service", name, "-n", namespace)["spec"]["clusterIP"]
        for name in ("segue-intake", "segue-web")
    )
    told = {"verb": "abort", "subject": "rel-7", "channel": "cli"}
    login = {"Authorization": f"Bearer {TOKEN}"}
    stored = requests.post(f"http://{intake}:8470/api/v1/commands", json=told, headers=login, timeout=10)
    assert stored.status_code == 202
    delivery = stored.json()["delivery"]
    url = f"http://{web}:8471/api/v1/commands/{delivery}"
    wait_until(lambda: requests.get(url, headers=login, timeout=10).json()["answer"] is not None, seconds=60)
    answer = requests.get(url, headers=login, timeout=10).json()["answer"]
    assert not answer["ok"]
    return delivery, answer["text"]
