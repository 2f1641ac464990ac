"""Segue installed by its chart: what people push and promote ends in traffic that shifts between pods.

In both forms, under 100 requests a second; its rights are those that it used, by the API server's audit
log of that run.
"""

import pytest

from tests.cluster import audit
from tests.cluster.aliases import alias, declared, follows, move
from tests.cluster.helm import rendered
from tests.cluster.installed import ROOT, Apart, OnePod, heard, secrets
from tests.cluster.load import Load
from tests.cluster.objects import secret
from tests.cluster.page import Page
from tests.cluster.pushes import SERVE, first_version, good_and_bad
from tests.cluster.traefik import INGRESS_CLASS
from tests.cluster.whole import SETTLED, eventually
from tests.hosts import building
from tests.hosts.gitea import Gitea
from tests.registering import Publisher, new_name
from tests.running import wait_until

pytestmark = pytest.mark.whole
REGISTERED = """\
name: churn
model: models:/{model}@challenger
serve: {{run: python /opt/segue/model/serve.py, port: 8080}}
resources: {{cpu: 0.2, memory: 64Mi}}
risk: 2%
ladder: [10%, 30%, 60%, 100%]
dwell: 2s
warm_up: 0s
watch: 5s
"""
NEVER = [{"name": "SEGUE_SWEEP_SECONDS", "value": "80000"}]  # what is not told by a delivery is not seen
GIT = [{"name": "SEGUE_GIT_ROOTS", "value": ROOT}]


def values(image, images, gateway):
    """What a person says who installs it beside a Gateway and a registry."""
    return {
        "image": image,
        "images": f"http://{images.registry}/built",
        "base": f"http://{images.base()}",
        "cluster": {
            "gateway": "/".join(gateway.reference),
            "address": gateway.url,
            "metrics": gateway.metrics,
        },
        "intakeUrl": gateway.url,
        "webUrl": gateway.url,
    }


@pytest.fixture(scope="module")
def gitea(outside, tmp_path_factory):
    """A real Gitea beside the cluster."""
    server = Gitea(building.gitea(), tmp_path_factory.mktemp("gitea"), outside)
    try:
        yield server.start()
    finally:
        server.stop()


def played(control):
    """A first version, then under load a good and a bad one; no request may be lost."""
    first = first_version(control)
    with Load(control.target("echo/production")["address"]) as load:
        begun, good, bad = good_and_bad(control, load, first)
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")
    held(load, begun, after, good, bad)


def held(load, begun, after, good, bad):
    """No request was lost since the load had begun; few were hurt by the bad one, and all are back."""
    assert load.story(begun) == ""
    assert load.counts()[bad["backend"], 500] <= 40
    assert set(load.counts(after + SETTLED)) == {(good["backend"], 200)}


def taken_back(control, page):
    """Somebody who followed a link rolls back on the page, over the gateway."""
    assert "Done:" in page.press("rollback", "/-/targets/echo/production")
    back = control.outcome(control.next_release("echo", after=["rel-1", "rel-2", "rel-3"]))
    assert back["phase"] == "promoted"
    assert back["name"] in page.read(f"/-/releases/{back['name']}")
    return back


def examined(control, back):
    """Nothing is amiss once the version that came back was asked: until then it is not known to be counted."""
    with Load(control.target("echo/production")["address"]) as load:
        eventually(lambda: load.counts()[back["backend"], 200] > 10, "it does not answer")
    control.say("doctor", "--cluster", "here")


def test_pushes_to_an_installed_segue_shift_traffic_and_use_no_right_that_it_has_not(
    kubeconfig, kubectl, release, images, gateway, volume, segue_image, tmp_path
):
    given = {**values(segue_image, images, gateway), "persistence": volume, "env": GIT}
    given["ingress"] = {"enabled": True, "className": INGRESS_CLASS, "web": True}
    release.install(given)
    wait_until(lambda: heard(gateway.url), seconds=60)
    control = OnePod(kubectl, release.namespace, tmp_path / "work")
    control.connect()
    played(control)
    back = taken_back(control, Page(gateway.url, control.say("open").strip()))
    examined(control, back)
    if (log := audit.log_of(kubeconfig)).is_file():
        assert audit.check(log, rendered(given, release.namespace), release.namespace) > 0


def test_pushes_to_a_git_host_are_released_by_processes_of_their_own_on_a_database_and_a_broker(
    kubeconfig, kubectl, release, images, gateway, database, broker, gitea, segue_image, tmp_path
):
    where = release.namespace
    files = {"files": secrets(gitea), "database": {"url": database}, "broker": {"url": broker}}
    kubectl.apply(*(secret(where, name, **said) for name, said in files.items()))
    parents = [dict(zip(("namespace", "name"), gateway.reference, strict=True))]
    given = {
        **values(segue_image, images, gateway),
        "split": True,
        "replicas": {"intake": 1, "web": 1, "worker-urgent": 1},
        "secrets": {"existingSecret": "files"},
        "database": {"existingSecret": "database"},
        "broker": {"existingSecret": "broker"},
        "httpRoute": {"enabled": True, "parentRefs": parents, "web": True},
        "env": NEVER,
    }
    release.install(given)
    wait_until(lambda: heard(gateway.url), seconds=60)
    control = Apart(kubectl, where, tmp_path / "work", gateway.url)
    assert any(line.startswith("webhook: ") for line in control.connect(gitea))
    played(control)
    back = taken_back(control, Page(gateway.url, control.say("open").strip()))
    examined(control, back)
    assert "--- workload ---" in control.say("logs")  # which web reads at the pods
    if (log := audit.log_of(kubeconfig)).is_file():
        objects = rendered(given, where)
        for account in ("segue", "segue-observer", "segue-web"):
            assert audit.check(log, objects, where, account) > 0


def test_an_alias_that_moves_on_mlflow_is_heard_by_an_installed_segue_and_shifts_traffic(
    kubectl, release, images, gateway, volume, segue_image, mlflow, tmp_path
):
    publisher, model = Publisher(mlflow.url), new_name("churn")

    def registered(number, every=0):
        code = f"# {number}\n" + SERVE.replace("EVERY = 0", f"EVERY = {every}")
        files = {"MLmodel": b"flavors: {}\n", "requirements.lock": b"", "serve.py": code.encode()}
        return publisher.register(model, files)

    def moved(version, *before):
        move(publisher, model, "challenger", version)
        return control.outcome(control.next_release("churn", after=before))

    given = {**values(segue_image, images, gateway), "persistence": volume, "env": GIT + NEVER}
    given["ingress"] = {"enabled": True, "className": INGRESS_CLASS, "web": True}
    release.install(given)
    wait_until(lambda: heard(gateway.url), seconds=60)
    control = OnePod(kubectl, release.namespace, tmp_path / "work")
    control.connect()
    control.say("connect", "mlflow", mlflow.url)
    first_number = registered(1)
    control.declare(REGISTERED.format(model=model))
    declared(control, "churn")
    first = moved(first_number)
    assert first["phase"] == "promoted", control.say("show", first["name"])
    with Load(control.target("churn/production")["address"]) as load:
        eventually(lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer")
        begun, second_number = load.now(), registered(2)
        good = moved(second_number, "rel-1")
        assert (good["phase"], good["proven"]) == ("promoted", True), control.say("show", good["name"])
        follows(mlflow.url, model, second_number)
        bad = moved(registered(3, every=5), "rel-1", "rel-2")
        assert bad["phase"] == "rolled back", control.say("show", bad["name"])
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")
    held(load, begun, after, good, bad)
    eventually(lambda: alias(mlflow.url, model, "challenger") is None, "the bad one is still challenger")
    follows(mlflow.url, model, second_number)
