"""A Deployment that a team runs already is taken over by reference, released, and handed back, under load."""

import os
import subprocess

from policies.spec.declaration import FromImage, ServeDeployment
from service.demo.place import program
from service.segue_yaml import load as read
from tests.cluster.load import Load
from tests.cluster.takeover import declared, ours, team
from tests.cluster.whole import SETTLED, Control, eventually, tag

HOST = "fraud.test"


def copies(kubectl, namespace):
    """The pods of what Segue started."""
    return kubectl.get("pods", "-n", namespace, "-l", "segue.dev/target=fraud.production")["items"]


def test_taken_over_released_and_handed_back_without_losing_a_request(
    login, kubectl, images, gateway, namespace, tmp_path
):
    kubectl.apply(*team(namespace, images, gateway, HOST))
    kubectl.rolled_out(namespace, "fraud")
    before = kubectl.get("httproute", "fraud", "-n", namespace)["spec"]
    repository = tag(images.model("1", f"{namespace}/fraud"), "main-1")
    control = Control(tmp_path, login, namespace, images, gateway)
    with Load(gateway.url, {"Host": HOST}) as load, control:
        eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
        begun = load.now()
        declared(control, images, namespace, repository)

        started = load.now()
        tag(images.model("2", f"{namespace}/fraud"), "main-2")
        begins = control.next_release("fraud")
        loaded = eventually(lambda: copies(kubectl, namespace), "no candidate is started", 120)
        good = control.outcome(begins)
        assert good["phase"] == "promoted", control.say("show", good["name"])
        assert good["proven"]
        assert load.counts(started)["2", 200] > 0
        pods = copies(kubectl, namespace)
        kept = {pod["metadata"]["uid"] for pod in pods}
        assert {pod["metadata"]["uid"] for pod in loaded} <= kept, "a promotion loads no model a second time"
        assert {c["name"] for c in pods[0]["spec"]["containers"]} == {"model", "log", "auth"}
        assert pods[0]["spec"]["serviceAccountName"] == "fraud"

        tag(images.model("3", f"{namespace}/fraud", error_rate=0.2), "main-3")
        bad = control.outcome(control.next_release("fraud", after=[good["name"]]))
        assert bad["phase"] == "rolled back", control.say("show", bad["name"])

        handed = load.now()
        control.say("hand-back", "fraud")
        eventually(lambda: control.target("fraud/production")["stable"] is None, "it is not handed back", 120)
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")
    assert not (lost := load.story(begun)), f"handed back at {handed:.0f} s, done at {after:.0f} s\n{lost}"
    assert {status for version, status in load.counts(begun) if version in {"1", "2"}} == {200}
    assert set(load.counts(after + SETTLED)) == {("2", 200)}
    assert load.counts()["3", 500] <= 40
    found = kubectl.get("deployment", "fraud", "-n", namespace)["spec"]
    assert found["template"]["spec"]["containers"][0]["image"].endswith(good["image"])
    assert found["replicas"] >= 2
    assert kubectl.get("httproute", "fraud", "-n", namespace)["spec"] == before
    assert kubectl.get("hpa", "fraud", "-n", namespace)["spec"]["minReplicas"] == 2
    eventually(lambda: ours(kubectl, namespace) == [], "objects of ours are left")


def test_the_file_for_what_is_there_is_written_and_nothing_is_changed(
    kubeconfig, kubectl, images, gateway, namespace, tmp_path
):
    objects = team(namespace, images, gateway, HOST)
    pod = objects[2]["spec"]["template"]["spec"]
    pod["containers"].reverse()  # the model's is the last
    kubectl.apply(*objects)
    kubectl.rolled_out(namespace, "fraud")

    def there():
        kinds = ("deployment", "service", "hpa", "httproute")
        found = [kubectl.get(kind, "fraud", "-n", namespace) for kind in kinds]
        return [(one["spec"], one["metadata"].get("annotations")) for one in found]

    before = there()
    words = [program(), "init", "--from", f"{namespace}/fraud", str(tmp_path / "fraud")]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "autoscaler" in done.stdout
    assert "of its container model; beside it: " in done.stdout
    (model,) = read((tmp_path / "fraud" / "segue.yaml").read_bytes(), "")
    assert model.serve == ServeDeployment(f"{namespace}/fraud", f"{namespace}/fraud")
    assert model.source == FromImage(f"{images.registry}/{namespace}/fraud", "*")
    assert there() == before
