"""A version as a file in Git: what is in it, when it is a commit, and what it waits for."""

import pytest
import yaml

from policies.spec.declaration_cluster import Replicas
from service.adapters.kubernetes import committing, labels, manifests
from service.adapters.kubernetes.committing import Committed
from service.adapters.memory.writing import MemoryWriter
from service.commits import Spot
from service.ports.connections import Cluster
from service.ports.jobs import Limits
from service.ports.outcomes import Refused
from service.ports.workloads import WorkloadOrder

NAME, BACKEND = "wine-production-3f9c1b2a4d", "wine-production-3f9c1b2a4d.ml"
FILE = f"apps/ml/{BACKEND}.yaml"
IMAGE = "registry.example/wine@sha256:" + "1" * 64
CLUSTER = Cluster("prod", namespace="ml", gitops="manifests:main:apps/ml", owner="0a1b2c3d")


def order(image=IMAGE, **given):
    return WorkloadOrder(BACKEND, image, ("serve",), 8080, Limits(), target="wine/production", **given)


def bodies(wanted=None):
    wanted = wanted or order()
    worn = labels.labels(wanted.target, NAME, CLUSTER.owner)
    return [
        manifests.service(NAME, worn, manifests.own_ports(wanted)),
        manifests.deployment(wanted, NAME, worn),
    ]


@pytest.fixture
def files():
    made = MemoryWriter()
    made.start("main")
    return made


@pytest.fixture
def committed(files):
    return Committed(files, Spot.of(CLUSTER.gitops), CLUSTER, "ml")


def content(files, path=FILE):
    return files.read(files.tip("main"), path)


def live(files, **metadata):
    """What the cluster has once the file was applied as it is."""
    found = next(one for one in yaml.safe_load_all(content(files)) if one["kind"] == "Deployment")
    return {**found, "metadata": {**found["metadata"], **metadata}}


def test_a_version_is_one_file_that_says_what_it_is(files, committed):
    committed.put(NAME, bodies())
    assert files.names(files.tip("main"), "apps/ml") == ("about.yaml", f"{BACKEND}.yaml")
    assert files.messages("main") == [
        f"""\
Start {BACKEND}

target: wine.production
image: {IMAGE}
reason: a release to this target wants the version\
"""
    ]


def test_what_is_committed_is_what_would_have_been_applied_but_for_the_replicas(files, committed):
    committed.put(NAME, bodies(order(replicas=Replicas(3))))
    service, deployment = yaml.safe_load_all(content(files))
    wanted_service, wanted = bodies(order(replicas=Replicas(3)))
    assert wanted["spec"].pop("replicas") == 3
    notes = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    assert service == {
        **wanted_service,
        "metadata": {**wanted_service["metadata"], "namespace": "ml", "annotations": notes},
    }
    assert deployment["spec"] == wanted["spec"]
    noted = {**notes, **wanted["metadata"]["annotations"], "segue.dev/replicas": "3"}
    assert deployment["metadata"]["annotations"] == noted
    assert committing.fewest(deployment) == 3


def test_the_folder_is_never_empty(files, committed):
    committed.put(NAME, bodies())
    committed.remove(NAME)
    (about,) = yaml.safe_load_all(content(files, "apps/ml/about.yaml"))
    assert (about["kind"], about["metadata"]["namespace"]) == ("ConfigMap", "ml")
    assert files.names(files.tip("main"), "apps/ml") == ("about.yaml",)


def test_putting_and_removing_again_are_no_new_commits(files, committed):
    committed.put(NAME, bodies())
    committed.put(NAME, bodies())
    assert len(files.messages("main")) == 1
    committed.remove(NAME)
    committed.remove(NAME)
    assert len(files.messages("main")) == 2
    assert "reason: no release and no target needs it any more" in files.messages("main")[-1]


def test_what_people_change_in_the_file_stays(files, committed):
    committed.put(NAME, bodies())
    theirs = content(files).replace(b"cpu:", b"cpu: ")
    files.write("main", {FILE: theirs}, "by hand")
    committed.put(NAME, bodies())
    assert content(files) == theirs


def test_another_order_under_the_name_is_refused(files, committed):
    committed.put(NAME, bodies())
    with pytest.raises(Refused, match="stop it first"):
        committed.put(NAME, bodies(order(image=IMAGE.replace("1", "2"))))


@pytest.mark.parametrize("act", [lambda one: one.put(NAME, bodies()), lambda one: one.remove(NAME)])
def test_a_file_of_another_installation_is_left_alone(files, committed, act):
    Committed(files, Spot.of(CLUSTER.gitops), Cluster("other", owner="ffffffff"), "ml").put(
        NAME,
        [
            {**b, "metadata": {**b["metadata"], "labels": labels.labels("x/y", NAME, "ffffffff")}}
            for b in bodies()
        ],
    )
    with pytest.raises(Refused, match="ffffffff"):
        act(committed)


def test_a_file_that_a_person_wrote_is_left_alone(files, committed):
    files.write("main", {FILE: b"kind: ConfigMap\nmetadata: {name: mine}\n"}, "by hand")
    with pytest.raises(Refused, match="that Segue did not make"):
        committed.put(NAME, bodies())


def test_a_folder_of_which_only_a_list_is_applied_is_refused(files, committed):
    files.write("main", {"apps/ml/kustomization.yaml": b"resources: []\n"}, "by hand")
    with pytest.raises(Refused, match=r"holds a kustomization.yaml.*folder of its own"):
        committed.put(NAME, bodies())


def test_nothing_counts_before_the_cluster_has_what_was_committed(files, committed):
    committed.put(NAME, bodies())
    commit = files.tip("main")
    waiting = f"waiting for Argo CD or Flux to apply commit {commit[:12]} (manifests:main:apps/ml)"
    assert committed.missing(NAME, None) == waiting
    before = live(files, annotations={labels.SPEC: "another"})
    assert committed.missing(NAME, before) == waiting
    assert committed.missing(NAME, live(files, annotations=None)) == waiting
    kept = live(files, annotations=None, labels={"kustomize.toolkit.fluxcd.io/name": "apps"})
    assert "waiting for Flux, Kustomization apps to apply" in committed.missing(NAME, kept)
    assert committed.missing(NAME, live(files)) is None
    assert committed.missing(NAME, live(files, deletionTimestamp="2026-11-25T21:00:00Z")) == waiting


def test_the_commit_that_is_waited_for_is_the_one_that_changed_the_file(files, committed):
    committed.put(NAME, bodies())
    commit = files.tip("main")
    files.write("main", {"README.md": b"x"}, "by hand")
    assert commit[:12] in committed.missing(NAME, None)


def test_whether_it_is_in_git_follows_what_people_push(files, committed):
    assert not committed.holds(NAME)
    committed.put(NAME, bodies())
    assert committed.holds(NAME)
    files.write("main", {FILE: None}, "by hand")
    assert not committed.holds(NAME)


def test_copies_are_found_by_what_they_were_copied_from(files, committed):
    copied = bodies()
    copied[1]["metadata"]["labels"]["segue.dev/copied-from"] = "fraud"
    committed.put(NAME, copied)
    assert committed.copies("fraud") == [NAME]
    assert committed.copies("other") == []


@pytest.mark.parametrize(
    "text", ["", "manifests", "manifests:main", "manifests:main:", ":main:ml", "m::ml", "m:main:../ml",
             "m:main:ml/../x", "m:-main:ml", "m:ma in:ml", "m:a..b:ml", "m:main:/", "m:main:.git"],
)  # fmt: skip
def test_what_names_no_place_to_commit_to_is_refused(text):
    with pytest.raises(Refused, match="such as manifests:main:ml"):
        Spot.of(text)


def test_a_place_to_commit_to_is_read_as_it_is_written():
    assert Spot.of("manifests:releases/eu:apps/ml/") == Spot("manifests", "releases/eu", "apps/ml")
    assert Spot.of("manifests:main:ml").text == "manifests:main:ml"
