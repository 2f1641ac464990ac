"""What the chart renders: exact rights, no login where none is needed, and what the API server says to it."""

import json
import subprocess

import pytest
import yaml

from service.adapters.kubernetes import looking
from tests.cluster.helm import FORMER, NEWEST, OLDEST, rendered
from tests.docs.pages import name
from tests.docs.test_chart_page import SHOWN

IMAGE = {"image": {"repository": "registry.example/segue"}}
SPLIT = {
    **IMAGE,
    "split": True,
    "database": {"existingSecret": "database"},
    "secrets": {"existingSecret": "files"},
}
TARGETS = [
    {"namespace": "team", "deployment": "wine", "route": "wine"},
    {"namespace": "team", "deployment": "churn", "route": "team/churn"},
    {"namespace": "other", "deployment": "fraud", "route": "edge/fraud"},
]
SETS = {
    "one pod": IMAGE,
    "one pod on PostgreSQL without a volume": {
        **IMAGE,
        "database": {"existingSecret": "database"},
        "persistence": {"enabled": False},
    },
    "split": SPLIT,
    "split with everything": {
        **SPLIT,
        "broker": {"existingSecret": "broker"},
        "cluster": {"gateway": "edge/web", "address": "http://web", "metrics": "http://m/metrics"},
        "targets": TARGETS,
        "rbac": {"nodes": True},
        "ingress": {"enabled": True, "host": "segue.example", "tlsSecret": "tls", "web": True},
        "networkPolicy": {"from": [{"podSelector": {}}], "metricsFrom": [{"namespaceSelector": {}}]},
        "env": [{"name": "SEGUE_KEEP_DAYS", "value": "7"}],
        "volumes": [{"name": "more", "emptyDir": {}}],
        "volumeMounts": [{"name": "more", "mountPath": "/more"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
    },
    "cluster-wide": {**SPLIT, "rbac": {"clusterWide": True}},
    **{f"values of {path.stem}": {**yaml.safe_load(path.read_text()), **IMAGE} for path in FORMER},
    **{f"values of {path.stem}, split": {**yaml.safe_load(path.read_text()), **SPLIT} for path in FORMER},
}
ROUTE = {"enabled": True, "parentRefs": [{"name": "web"}], "hostnames": ["segue.example"], "web": True}


def rights(objects):
    """Every right that is given: (kind, namespace, name) to (group, resources, names, verbs)."""
    return {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): [
            (
                " ".join(rule["apiGroups"]) or "core",
                " ".join(rule["resources"]),
                " ".join(rule.get("resourceNames", [])),
                " ".join(rule["verbs"]),
            )
            for rule in one["rules"]
        ]
        for one in objects
        if one["kind"] in {"Role", "ClusterRole"}
    }


ACTOR = [
    ("apps", "deployments", "", "get list create patch delete"),
    ("core", "services", "", "get list create update delete"),
    ("policy", "poddisruptionbudgets", "", "get list create delete"),
    ("autoscaling", "horizontalpodautoscalers", "", "get list create patch delete"),
    ("batch", "jobs", "", "get create update delete"),
    ("core", "pods events resourcequotas", "", "list"),
    ("discovery.k8s.io", "endpointslices", "", "list"),
    ("networking.k8s.io", "networkpolicies", "", "list"),
    ("core", "pods/log", "", "get"),
    ("core", "services/proxy", "", "get create"),
]
OBSERVER = [
    ("apps", "deployments", "", "get patch"),
    ("core", "services", "", "get"),
    ("core", "pods events", "", "list"),
    ("core", "pods/log", "", "get"),
    ("core", "services/proxy", "", "get create"),
]
WEB = [
    ("apps", "deployments", "", "get"),
    ("batch", "jobs", "", "get"),
    ("core", "services", "", "get list"),
    ("core", "pods/log", "", "get"),
    ("core", "pods", "", "list"),
]
GATEWAY = "gateway.networking.k8s.io"
OWN_ROUTES = [
    (GATEWAY, "httproutes", "", "get list create update"),
    (GATEWAY, "grpcroutes", "", "get update"),
]
SEEN_ROUTES = [(GATEWAY, "httproutes grpcroutes", "", "get")]


def test_the_workers_have_what_doctor_asks_for_and_the_reading_of_quotas():
    given = {(kind, verb) for _, kinds, _, verbs in ACTOR for kind in kinds.split() for verb in verbs.split()}
    asked = {(kind.plural, verb) for kind, verbs in looking.RIGHTS for verb in verbs}
    assert given - {("resourcequotas", "list")} == asked
    assert set(looking.ROUTE_RIGHTS) == set(OWN_ROUTES[0][3].split())


def named(names, verbs):
    return [(GATEWAY, "httproutes grpcroutes", names, verbs)]


def test_the_rights_of_one_pod_are_this_list():
    assert rights(rendered(IMAGE)) == {("Role", "ops", "segue"): ACTOR + OWN_ROUTES}


def test_the_rights_of_split_processes_on_targets_of_others_are_this_list():
    found = rights(rendered({**SPLIT, "targets": TARGETS, "cluster": {"gateway": "edge/web"}}))
    assert found == {
        ("Role", "ops", "segue"): ACTOR + OWN_ROUTES,
        ("Role", "team", "ops-segue"): ACTOR,
        ("Role", "other", "ops-segue"): ACTOR,
        ("Role", "team", "ops-segue-routes"): named("churn wine", "get update"),
        ("Role", "edge", "ops-segue-routes"): named("fraud", "get update"),
        ("Role", "ops", "segue-observer"): OBSERVER,
        ("Role", "team", "ops-segue-observer"): OBSERVER,
        ("Role", "other", "ops-segue-observer"): OBSERVER,
        ("Role", "ops", "segue-web"): WEB + SEEN_ROUTES,
        ("Role", "team", "ops-segue-web"): WEB,
        ("Role", "other", "ops-segue-web"): WEB,
        ("Role", "team", "ops-segue-web-routes"): named("churn wine", "get"),
        ("Role", "edge", "ops-segue-web-routes"): named("fraud", "get"),
        ("Role", "edge", "ops-segue-gateway"): [(GATEWAY, "gateways", "web", "get")],
    }


WATCHED = [("core", "services", "", "get"), ("core", "pods", "", "list")]


def test_where_somebody_else_shifts_the_traffic_all_rights_are_to_read():
    targets = [{"namespace": "team", "watched": True, "route": "traefikservice/team/fraud"}]
    found = rights(rendered({**SPLIT, "targets": targets}))
    seen = [("traefik.io", "traefikservices", "fraud", "get")]
    assert {key: rules for key, rules in found.items() if key[1] == "team"} == {
        ("Role", "team", "ops-segue"): WATCHED,
        ("Role", "team", "ops-segue-observer"): WATCHED,
        ("Role", "team", "ops-segue-web"): WATCHED,
        ("Role", "team", "ops-segue-seen"): seen,
        ("Role", "team", "ops-segue-web-seen"): seen,
    }
    beside = [*targets, {"namespace": "team", "deployment": "wine", "route": "wine"}]
    both = rights(rendered({**SPLIT, "targets": beside}))
    assert both["Role", "team", "ops-segue"] == ACTOR
    assert both["Role", "team", "ops-segue-seen"] == seen


@pytest.mark.parametrize("wide", [False, True])
def test_routes_of_other_kinds_are_named_in_the_rights_and_ingresses_get_a_canary(wide):
    routes = ("virtualservice/mesh/wine", "traefikservice/mesh/churn", "ingress/mesh/fraud", "mesh/tea")
    targets = [{"namespace": "mesh", "deployment": "wine", "route": one} for one in routes]
    found = rights(rendered({**SPLIT, "targets": targets, "rbac": {"clusterWide": wide}}))
    istio = ("networking.istio.io", "virtualservices", "wine")
    traefik = ("traefik.io", "traefikservices", "churn")
    ingress = ("networking.k8s.io", "ingresses")
    assert found["Role", "mesh", "ops-segue-routes"] == [
        *([] if wide else named("tea", "get update")),
        (*ingress, "", "get create update delete"),
        (*traefik, "get update"),
        (*istio, "get update"),
    ]
    assert found["Role", "mesh", "ops-segue-web-routes"] == [
        *([] if wide else named("tea", "get")),
        (*ingress, "fraud", "get"),
        (*traefik, "get"),
        (*istio, "get"),
    ]


def test_cluster_wide_rights_are_the_same_ones_and_only_by_choice():
    assert rights(rendered(SETS["cluster-wide"])) == {
        ("ClusterRole", "", "ops-segue"): ACTOR + OWN_ROUTES,
        ("ClusterRole", "", "ops-segue-observer"): OBSERVER,
        ("ClusterRole", "", "ops-segue-web"): WEB + SEEN_ROUTES,
    }


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_no_right_reaches_secrets_or_into_pods_or_beyond_itself(values):
    for rules in rights(rendered(values)).values():
        words = {word for rule in rules for part in rule for word in part.split()}
        assert not words & {"*", "secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "escalate",
                            "bind", "impersonate", "deletecollection"}  # fmt: skip


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_each_binding_gives_a_role_that_is_there_to_an_account_that_is_there(values):
    objects = rendered(values)
    there = {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects}
    accounts = {o["metadata"]["name"] for o in objects if o["kind"] == "ServiceAccount"}
    bindings = [o for o in objects if o["kind"] in {"RoleBinding", "ClusterRoleBinding"}]
    assert bindings
    for one in bindings:
        role = one["roleRef"]
        assert (role["kind"], one["metadata"].get("namespace", ""), role["name"]) in there
        assert {(s["name"], s["namespace"]) for s in one["subjects"]} <= {(name, "ops") for name in accounts}


def pods(objects):
    """Pod specs by what makes them."""
    return {
        f"{one['kind']} {one['metadata']['name']}": one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] in {"Deployment", "StatefulSet", "Job"}
    }


def test_only_who_speaks_to_the_cluster_has_a_login():
    logins = {
        name: spec.get("serviceAccountName") if spec["automountServiceAccountToken"] else None
        for name, spec in pods(rendered(SPLIT)).items()
    }
    assert logins == {
        "Deployment segue-intake": None,
        "Deployment segue-reconciler": None,
        "Job segue-migrate": None,
        "Deployment segue-web": "segue-web",
        "Deployment segue-observer": "segue-observer",
        "Deployment segue-worker-urgent": "segue",
        "Deployment segue-worker-patient": "segue",
    }


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_no_service_becomes_a_setting_and_no_root_can_be_written(values):
    """A Service called segue-web would set SEGUE_WEB_PORT to tcp://..."""
    for spec in pods(rendered(values)).values():
        assert spec["enableServiceLinks"] is False
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_what_takes_requests_stays_until_nodes_have_learned_that_it_leaves():
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]
        for one in rendered(SPLIT)
        if one["kind"] == "Deployment"
    }
    staying = {name for name, container in pods.items() if "lifecycle" in container}
    assert staying == {"segue-intake", "segue-web"}


def test_builds_in_the_cluster_run_the_charts_own_image_and_take_logins_from_its_secret():
    """The same for every process: what one starts, another looks at."""
    settings = {
        "images": "https://registry.example/models",
        "base": "https://registry.example/python@sha256:0",
    }
    told = {
        "SEGUE_BUILDER": "here",
        "SEGUE_BUILDER_IMAGE": "registry.example/segue:0.1.0",
        "SEGUE_BUILDER_SECRET": "files",
        "SEGUE_BUILDER_PULL_SECRETS": "registry,mirror",
    }
    pulled = {"imagePullSecrets": [{"name": "registry"}, {"name": "mirror"}]}
    for spec in pods(rendered({**SPLIT, **settings, **pulled, "builder": {"cluster": "here"}})).values():
        for container in spec["containers"]:
            env = {one["name"]: one.get("value") for one in container["env"]}
            assert {name: env.get(name) for name in told} == told


@pytest.mark.parametrize("values", [IMAGE, SPLIT], ids=["one pod", "apart"])
def test_everything_trusts_the_authorities_of_the_secret_where_it_has_some(values):
    def told(**secrets):
        given = {"existingSecret": "files", **secrets}
        containers = [
            c for spec in pods(rendered({**values, "secrets": given})).values() for c in spec["containers"]
        ]
        return [{one["name"]: one.get("value") for one in container["env"]} for container in containers]

    file = "/var/lib/segue/secrets/authorities.pem"
    assert {(env["REQUESTS_CA_BUNDLE"], env["SSL_CERT_FILE"]) for env in told(authorities=True)} == {
        (file, file)
    }
    assert not [env for env in told() if "REQUESTS_CA_BUNDLE" in env or "SSL_CERT_FILE" in env]


@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_everything_logs_on_its_output_unless_files_are_asked_for(values):
    def told(given):
        return {
            (place, container["name"]): [
                one["value"] for one in container["env"] if one["name"] == "SEGUE_LOGS"
            ]
            for place, spec in pods(rendered(given)).items()
            for container in [*spec["containers"], *spec.get("initContainers", [])]
        }

    assert {tuple(said) for said in told(values).values()} == {("stdout",)}
    assert {tuple(said) for said in told({**values, "logs": "files"}).values()} == {("files",)}


DOCKERFILES = {"cluster": "builds", "namespace": "segue-builds", "image": "registry.example/buildah@sha256:1"}


@pytest.mark.parametrize("values", [IMAGE, SPLIT], ids=["one pod", "apart"])
def test_dockerfiles_are_built_where_jobs_may_be_made_and_nothing_else(values):
    builder = {"secret": "logins", "dockerfiles": {**DOCKERFILES, "secrets": ["pip.conf", "netrc"]}}
    made = rendered({**values, "images": "https://registry.example/models", "builder": builder})
    told = {
        "SEGUE_DOCKERFILES": "builds",
        "SEGUE_BUILDAH_IMAGE": "registry.example/buildah@sha256:1",
        "SEGUE_BUILD_SECRETS": "pip.conf,netrc",
        "SEGUE_BUILDER_SECRET": "logins",
    }
    for spec in pods(made).values():
        for container in spec["containers"]:
            env = {one["name"]: one.get("value") for one in container["env"]}
            assert {name: env.get(name) for name in told} == told
            assert "SEGUE_BUILDER" not in env
    there = {
        one["metadata"]["name"]: {
            (resource, verb)
            for rule in one["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for one in made
        if one["kind"] == "Role" and one["metadata"]["namespace"] == "segue-builds"
    }
    reads = {("jobs", "get"), ("pods", "list"), ("pods/log", "get")}
    writes = {("jobs", verb) for verb in ("create", "update", "delete")} | {("events", "list")}
    rights = sorted(there.values(), key=len)
    assert rights == ([reads, reads | writes] if values is SPLIT else [reads | writes])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {**IMAGE, "builder": {"dockerfiles": {**DOCKERFILES, "image": ""}}},
            "needs builder.dockerfiles.image",
        ),
        (
            {
                **IMAGE,
                "images": "https://r.example/m",
                "builder": {"dockerfiles": {**DOCKERFILES, "secrets": ["a"]}},
            },
            "keys of a Secret",
        ),
        ({}, "image.repository is empty"),
        ({**IMAGE, "split": True}, "needs PostgreSQL"),
        ({**IMAGE, "split": True, "database": {"existingSecret": "d"}}, "needs secrets.existingSecret"),
        ({**IMAGE, "builder": {"cluster": "here"}}, "builder.cluster needs images"),
        ({**IMAGE, "splitt": True}, "splitt"),
        ({**IMAGE, "secrets": {"authorities": True}}, "name it in secrets.existingSecret"),
    ],
    ids=[
        "no Buildah",
        "keys of no Secret",
        "no image",
        "no database",
        "no secrets",
        "no registry for builds",
        "a word that is none",
        "authorities of no Secret",
    ],
)
def test_values_that_cannot_work_are_refused_with_what_to_do(values, said):
    with pytest.raises(RuntimeError, match=said):
        rendered(values)


@pytest.mark.parametrize(("page", "body"), SHOWN, ids=[name(page) for page, _ in SHOWN])
def test_the_values_that_a_page_shows_render_and_connect_the_cluster_that_they_name(page, body):
    shown = yaml.safe_load(body)
    made = rendered({**IMAGE, **shown})
    told = [
        " ".join([*container.get("command", []), *container.get("args", [])])
        for spec in pods(made).values()
        for container in spec.get("initContainers", [])
    ]
    for value in (shown.get("cluster") or {}).values():
        assert any(value in words for words in told), value


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", SETS.values(), ids=list(SETS))
def test_the_api_server_takes_it_and_restricted_pod_security_has_no_complaint(
    kubectl, kubeconfig, namespace, values, version
):
    objects = [o for o in rendered(values, namespace, version) if o["metadata"].get("namespace") != "edge"]
    for one in objects:
        if one["metadata"].get("namespace") in {"team", "other"} or not one["kind"].startswith("Cluster"):
            one["metadata"]["namespace"] = namespace
    command = ["kubectl", "--kubeconfig", str(kubeconfig), "apply", "--dry-run=server", "-f", "-"]
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
    assert done.returncode == 0, done.stderr
    assert "violate" not in done.stderr


def test_what_intake_takes_of_the_api_goes_there_by_either_way_in(namespace):
    given = {**SETS["split with everything"], "httpRoute": ROUTE}
    kinds = {
        o["kind"]: o["spec"] for o in rendered(given, namespace) if o["kind"] in {"HTTPRoute", "Ingress"}
    }
    to_intake = {match["path"]["value"] for match in kinds["HTTPRoute"]["rules"][0]["matches"]}
    paths = kinds["Ingress"]["rules"][0]["http"]["paths"]
    ports = {one["path"]: one["backend"]["service"]["port"]["number"] for one in paths}
    assert to_intake == {path for path, port in ports.items() if port == 8470}
    assert to_intake == {"/hooks", "/api/v1/commands", "/api/v1/labels"}


def test_the_gateway_api_takes_the_route(kubectl, namespace, gateway):
    objects = [o for o in rendered({**IMAGE, "httpRoute": ROUTE}, namespace) if o["kind"] == "HTTPRoute"]
    given = json.dumps({**objects[0], "metadata": {**objects[0]["metadata"], "namespace": namespace}})
    assert "created" in kubectl.run("apply", "--dry-run=server", "-f", "-", given=given)
    assert gateway


def test_prometheus_is_told_of_every_process():
    (monitor,) = [
        o for o in rendered({**SPLIT, "serviceMonitor": {"enabled": True}}) if o["kind"] == "ServiceMonitor"
    ]
    (service,) = [
        o for o in rendered(SPLIT) if o["kind"] == "Service" and o["metadata"]["name"] == "segue-metrics"
    ]
    ports = {port["name"] for port in service["spec"]["ports"]}
    assert {one["port"] for one in monitor["spec"]["endpoints"]} == ports
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    named = {
        p["name"]
        for spec in pods(rendered(SPLIT)).values()
        for c in spec["containers"]
        for p in c.get("ports", ())
    }
    assert named == ports
