"""A Deployment that teams have already: found, copied, shifted away from and handed back as it was."""

import json
from dataclasses import replace

import pytest

from policies.place import Place
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kept import KeptDeployments
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, PDB, POD, SERVICE
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.jobs import Limits
from service.ports.outcomes import Gone, Refused, Retry
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster.load import Load
from tests.cluster.objects import RESTRICTED, http_route
from tests.running import wait_until

OWNER = "tests"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture
def cluster(kubeconfig):
    return Cluster("test", str(kubeconfig), owner=OWNER)


@pytest.fixture
def workloads(api, cluster, namespace):
    return KubernetesWorkloads(api, cluster, Place("test", namespace, "fraud"))


@pytest.fixture
def order(namespace, images):
    """The candidate, as the engine orders it: it knows neither health path nor port of what it copies."""
    image = images.model("2", repository="fraud")
    return WorkloadOrder(f"fraud-prod-0123456789.{namespace}", image, (), 8080, Limits(), target="fraud/prod")


@pytest.fixture
def team(kubectl, namespace, images):
    """What a team has: two sidecars, a config map, an autoscaler, a budget, a Service at port 80."""
    model = images.model("1", repository="fraud")
    sidecar = images.python("sidecar", {}, ["-c", "import time; time.sleep(1e6)"])
    small = {"requests": {"cpu": "20m", "memory": "32Mi"}}
    sidecars = [
        {"name": name, "image": sidecar, "securityContext": RESTRICTED, "resources": small}
        for name in ("auth", "logs")
    ]
    container = {
        "name": "serve",
        "image": model,
        "ports": [{"name": "web", "containerPort": 8080}],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "web"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": RESTRICTED,
        "resources": small,
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "fraud"}},
    }
    worn = {"app": "fraud", "team": "ml", "tier": "web"}
    objects = (
        ("v1", "ConfigMap", "settings", {"data": {"LATENCY_SECONDS": "0.001"}}),
        ("v1", "ServiceAccount", "fraud", {}),
        (
            "apps/v1",
            "Deployment",
            "fraud",
            {
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": {"app": "fraud", "team": "ml"}},
                    "template": {
                        "metadata": {"labels": worn, "annotations": {"team.example/owner": "ml"}},
                        "spec": {
                            "serviceAccountName": "fraud",
                            "terminationGracePeriodSeconds": 30,
                            "topologySpreadConstraints": [spread],
                            "containers": [sidecars[0], container, sidecars[1]],
                            "volumes": [{"name": "data", "emptyDir": {}}],
                        },
                    },
                }
            },
        ),
        (
            "v1",
            "Service",
            "fraud",
            {"spec": {"selector": {"app": "fraud"}, "ports": [{"name": "web", "port": 80, "targetPort": "web"}]}},
        ),
        ("policy/v1", "PodDisruptionBudget", "fraud", {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "fraud"}}}}),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "fraud",
            {
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
                    "minReplicas": 2,
                    "maxReplicas": 4,
                    "metrics": [
                        {
                            "type": "ContainerResource",
                            "containerResource": {
                                "name": "cpu",
                                "container": "serve",
                                "target": {"type": "Utilization", "averageUtilization": 500},
                            },
                        }
                    ],
                }
            },
        ),
    )  # fmt: skip
    kubectl.apply(
        *(
            {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **body}
            for version, kind, name, body in objects
        )
    )
    kubectl.rolled_out(namespace, "fraud")
    return model


def spec_of(api, namespace, kind, name="fraud"):
    return api.get(kind, namespace, name)["spec"]


def serving(workloads, name):
    wait_until(lambda: isinstance(workloads.state(name), Serving), 90)
    return workloads.state(name)


def room(workloads, stable, candidate, weight):
    def there():
        try:
            workloads.make_room(stable, candidate, weight)
        except Retry:
            return False
        return True

    wait_until(there, 120)


def restored(workloads, image):
    def there():
        try:
            workloads.restore(image)
        except Retry:
            return False
        return True

    wait_until(there, 120)


def cleared(workloads):
    """Right after the route was written, as the engine does it: the data plane may not have read it yet."""

    def done():
        try:
            workloads.clear()
        except Retry:
            return False
        return True

    wait_until(done, 60)


def taken_again(workloads):
    try:
        return workloads.found()
    except Retry:  # a note on a Deployment is a new generation of it, to be seen by its controller
        return None


def addresses(kubectl, namespace, service):
    slices = kubectl.get("endpointslices", "-n", namespace, "-l", f"kubernetes.io/service-name={service}")
    return {a for one in slices["items"] for e in one["endpoints"] or [] for a in e["addresses"]}


def test_what_serves_already_is_found_and_not_changed(workloads, team, api, namespace):
    before = spec_of(api, namespace, DEPLOYMENT)
    name, state, image = workloads.found()
    assert name == f"fraud.{namespace}"
    assert state.url == f"http://fraud.{namespace}.svc:80"
    assert image == team
    assert workloads.state(name) == state
    wait_until(lambda: taken_again(workloads) == (name, state, image))
    assert spec_of(api, namespace, DEPLOYMENT) == before


@pytest.mark.whole
def test_a_tag_is_told_by_the_digest_that_its_pods_run(workloads, team, api, kubectl, namespace, registry):
    digest = team.partition("@")[2]
    _tag(registry, "fraud", digest, "v1")
    patch = [
        {"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": f"{registry}/fraud:v1"}
    ]
    api.patch(DEPLOYMENT, namespace, "fraud", patch, "json")
    kubectl.rolled_out(namespace, "fraud")
    wait_until(lambda: len(api.list(POD, namespace)) == 2, 60)
    assert workloads.found()[2] == team
    workloads.restore(team)
    assert spec_of(api, namespace, DEPLOYMENT)["template"]["spec"]["containers"][1]["image"].endswith(":v1")


def _tag(registry, repository, digest, tag):
    import urllib.request  # noqa: PLC0415

    base = f"http://{registry}/v2/{repository}/manifests"
    kind = "application/vnd.oci.image.manifest.v1+json"
    with urllib.request.urlopen(
        urllib.request.Request(f"{base}/{digest}", headers={"Accept": kind})
    ) as answer:
        manifest = answer.read()
    put = urllib.request.Request(f"{base}/{tag}", data=manifest, method="PUT", headers={"Content-Type": kind})
    urllib.request.urlopen(put).close()


def test_a_copy_differs_in_its_image_and_in_the_labels_that_select_pods(
    workloads, team, order, api, namespace
):
    workloads.found()
    workloads.start(order)
    theirs, ours = (
        spec_of(api, namespace, DEPLOYMENT, name)["template"] for name in ("fraud", "fraud-prod-0123456789")
    )
    labels, changed = ours["metadata"].pop("labels"), theirs["metadata"].pop("labels")
    assert {key for key in changed if labels[key] != changed[key]} == {"app"}, "team and tier stay"
    theirs["spec"]["containers"][1]["image"] = order.image
    spread = theirs["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
    spread["app"] = "fraud-prod-0123456789"
    assert ours == theirs
    assert (
        spec_of(api, namespace, SERVICE, "fraud-prod-0123456789")["ports"]
        == spec_of(api, namespace, SERVICE)["ports"]
    )


def test_a_candidate_gets_no_request_before_its_weight_and_disturbs_no_autoscaler(
    workloads, team, order, api, kubectl, namespace
):
    stable, *_ = workloads.found()
    workloads.start(order)
    state = serving(workloads, order.name)
    assert state.url == f"http://fraud-prod-0123456789.{namespace}.svc:80"
    theirs, ours = (
        addresses(kubectl, namespace, "fraud"),
        addresses(kubectl, namespace, "fraud-prod-0123456789"),
    )
    assert len(theirs) == 2
    assert len(ours) == 1
    assert not theirs & ours
    room(workloads, stable, order.name, 100)

    def scales(name):
        conditions = kubectl.get("hpa", name, "-n", namespace)["status"].get("conditions") or []
        return any(c["type"] == "ScalingActive" and c["status"] == "True" for c in conditions)

    wait_until(lambda: scales("fraud") and scales("fraud-prod-0123456789"), 120)
    budgets = kubectl.get("pdb", "-n", namespace)["items"]
    assert {one["metadata"]["name"]: one["status"]["expectedPods"] for one in budgets} == {
        "fraud": 2,
        "fraud-prod-0123456789": 2,
    }
    assert _bounds(api, namespace, "fraud-prod-0123456789") == (2, 2)
    workloads.settle((stable, order.name))
    assert _bounds(api, namespace, "fraud") == (2, 4)
    assert _bounds(api, namespace, "fraud-prod-0123456789") == (2, 4)


def test_what_was_found_is_stopped_without_being_deleted_and_starts_as_it_was(
    workloads, team, order, api, kubectl, namespace
):
    stable, *_ = workloads.found()
    api.patch(HPA, namespace, "fraud", {"spec": {"minReplicas": 1}})
    api.patch(DEPLOYMENT, namespace, "fraud", {"spec": {"replicas": 3}})
    kubectl.rolled_out(namespace, "fraud")
    before = spec_of(api, namespace, DEPLOYMENT)
    workloads.stop(stable)
    workloads.stop(stable)
    assert workloads.state(stable) == Gone()
    assert spec_of(api, namespace, DEPLOYMENT)["replicas"] == 0
    workloads.start(replace(order, name=stable))
    serving(workloads, stable)
    assert spec_of(api, namespace, DEPLOYMENT) == before


def test_a_copy_stays_until_no_data_plane_can_know_it_and_may_be_taken_into_use_again(
    workloads, team, order, api, namespace
):
    workloads.found()
    workloads.start(order)
    serving(workloads, order.name)
    with pytest.raises(Retry, match="answers until no data plane can know it") as raised:
        workloads.stop(order.name)
    assert 0 < raised.value.after <= 10
    assert isinstance(workloads.state(order.name), Serving)
    workloads.start(order)
    assert (
        "segue.dev/ending"
        not in api.get(DEPLOYMENT, namespace, "fraud-prod-0123456789")["metadata"]["annotations"]
    )
    with pytest.raises(Retry):
        workloads.stop(order.name)
    cleared(workloads)
    assert workloads.state(order.name) == Gone()


def test_an_image_that_somebody_changes_back_is_written_once_and_taken_from_them_later(
    workloads, team, order, api, kubectl, namespace
):
    """As self-heal does, while Git still names the image from before."""
    workloads.found()
    with pytest.raises(Retry, match="is not ready"):
        workloads.restore(order.image)
    kubectl.run("set", "image", "deployment/fraud", f"serve={team}", "-n", namespace)
    theirs = api.get(DEPLOYMENT, namespace, "fraud")
    for _ in range(2):
        with pytest.raises(
            Retry, match=rf"given the image {order.image}, and kubectl-set .* changed it back"
        ):
            workloads.restore(order.image)
    now = api.get(DEPLOYMENT, namespace, "fraud")
    assert now["metadata"]["generation"] == theirs["metadata"]["generation"]
    kubectl.run("set", "image", "deployment/fraud", f"serve={order.image}", "-n", namespace)
    restored(workloads, order.image)


def test_another_image_is_told_with_who_gave_it_and_put_back_over_exactly_that(
    workloads, team, order, api, kubectl, namespace
):
    name, _, image = workloads.found()
    kept = KeptDeployments(api, workloads, namespace)
    assert kept.changed(name, image) is None
    kubectl.run("set", "image", "deployment/fraud", f"serve={order.image}", "-n", namespace)
    seen = kept.changed(name, image)
    assert f"Deployment {namespace}/fraud was changed by kubectl-set" in seen
    assert seen.endswith(f"it runs {order.image}, not {image}")
    assert kept.runs(name, image) == order.image
    with pytest.raises(Refused, match="once more"):
        kept.mend(name, image, f"not {seen}")
    assert kept.changed(name, image) == seen
    kept.mend(name, image, seen)
    assert kept.changed(name, image) is None
    assert spec_of(api, namespace, DEPLOYMENT)["template"]["spec"]["containers"][1]["image"] == image


def test_a_deployment_that_somebody_deleted_is_told(workloads, team, api, kubectl, namespace):
    name, _, image = workloads.found()
    kept = KeptDeployments(api, workloads, namespace)
    kubectl.run("delete", "deployment", "fraud", "-n", namespace)
    assert kept.gone(name)
    assert kept.changed(name, image) == f"the Deployment {namespace}/fraud is gone"


def test_a_second_installation_and_one_that_has_nothing_are_refused(workloads, team, api, cluster, namespace):
    workloads.found()
    stranger = KubernetesWorkloads(
        api, replace(cluster, owner="strangers"), Place("test", namespace, "fraud")
    )
    with pytest.raises(Refused, match="taken over by another installation of Segue"):
        wait_until(lambda: taken_again(stranger), 30)
    nobody = KubernetesWorkloads(api, cluster, Place("test", namespace, "nobody"))
    with pytest.raises(Refused, match=r"no Deployment .*nobody; there are: fraud"):
        nobody.found()


def test_two_services_need_a_route_that_says_which(workloads, team, api, cluster, kubectl, namespace):
    other = {"selector": {"tier": "web"}, "ports": [{"port": 8081, "targetPort": "web"}]}
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "other", "namespace": namespace},
        "spec": other,
    }
    kubectl.apply(body)
    with pytest.raises(Refused, match="write `route:` to name one"):
        workloads.found()
    route = http_route(namespace, "fraud", "x.test", ("nowhere", "none"), {"other": 1})
    route["spec"]["rules"][0]["backendRefs"][0]["port"] = 8081
    kubectl.apply(route)
    routed = KubernetesWorkloads(api, cluster, Place("test", namespace, "fraud", f"{namespace}/fraud"))
    name, state, _ = routed.found()
    assert (name, state.url) == (f"other.{namespace}", f"http://other.{namespace}.svc:8081")


@pytest.mark.whole
@pytest.mark.timeout(500)
def test_taken_over_promoted_and_handed_back_under_load_without_a_lost_request(
    workloads, team, order, api, kubectl, namespace, gateway
):
    """The route's weights are written here as the router would write them."""
    original = {kind.plural: spec_of(api, namespace, kind) for kind in (DEPLOYMENT, HPA, PDB, SERVICE)}
    host, candidate = f"{namespace}.test", "fraud-prod-0123456789"

    def weights(**given):
        names = {name.replace("_", "-"): weight for name, weight in given.items()}
        kubectl.apply(http_route(namespace, "fraud", host, gateway.reference, names))

    weights(fraud=1)
    wait_until(lambda: traefik_answers(gateway, host), 60)
    with Load(gateway.url, {"Host": host}, rate=40, workers=8) as load:
        stable, *_ = workloads.found()
        workloads.start(order)
        serving(workloads, order.name)
        for weight in (5, 50, 100):
            room(workloads, stable, order.name, weight)
            weights(**{"fraud": 100 - weight, candidate: weight})
        wait_until(lambda: set(load.counts(load.now() - 2)) == {("2", 200)}, 60)
        workloads.settle((stable, order.name))
        workloads.stop(stable)
        wait_until(lambda: len(addresses(kubectl, namespace, "fraud")) == 0, 60)
        restored(workloads, order.image)
        weights(fraud=1)
        cleared(workloads)
    assert not load.lost()
    assert len(load.answers) > 300
    now = {kind.plural: spec_of(api, namespace, kind) for kind in (DEPLOYMENT, HPA, PDB, SERVICE)}
    original["deployments"]["template"]["spec"]["containers"][1]["image"] = order.image
    assert now == original
    assert "segue" not in json.dumps(
        api.get(DEPLOYMENT, namespace, "fraud")["metadata"].get("annotations", {})
    )
    assert [
        one["metadata"]["name"]
        for kind in (DEPLOYMENT, SERVICE, PDB, HPA)
        for one in api.list(kind, namespace)
    ] == ["fraud"] * 4


def traefik_answers(gateway, host):
    return traefik_status(gateway.url, host) == 200


def traefik_status(url, host):
    with Load(url, {"Host": host}, rate=50, workers=1) as load:
        wait_until(lambda: load.answers, 10)
    return load.answers[0].status


def _bounds(api, namespace, name):
    spec = spec_of(api, namespace, HPA, name)
    return spec["minReplicas"], spec["maxReplicas"]
