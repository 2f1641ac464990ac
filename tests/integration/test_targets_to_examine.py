"""Which targets `segue doctor --cluster` looks at: before the first release, while they serve, and after."""

import json

import pytest
import yaml
from click.testing import CliRunner

from policies.place import Place
from policies.release import Serving, Target
from service.cli import running
from service.cli.serving import served_in
from service.ports.clusters import Served
from service.ports.connections import Cluster
from service.segue_yaml import load
from service.settings import Settings
from service.store.rows import ModelRow, TargetRow
from service.store.states import MODEL, TARGET
from service.store.store import Store

FILE = """\
name: fraud
image: ghcr.io/acme/fraud:main-*
deployment: ml/fraud
route: ml/fraud
environments:
  near: {cluster: near}
  far: {cluster: far}
"""
TAKEN = Place("near", "ml", "fraud", "ml/fraud")
BATCH = "name: scores\nmodel: models:/scores@challenger\nserve: none\nenvironments: {near: {cluster: near}}\n"
ECHO = "name: echo\nimage: r.example/echo:main-*\nserve: {port: 80}\nenvironments: {near: {cluster: near}}\n"
KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


def declared(store, text):
    (model,) = load(text.encode(), "")
    row = ModelRow(model.name, "models", "", "c" * 40, MODEL.dump(model))
    store.decide(lambda change: change.save_model(row))


def serves(store, name, place):
    stable = Serving("rel-1", 1, "v", "r.example/fraud@sha256:1", "fraud.ml", "http://fraud.ml.svc:80", 0.0)
    held = Target(name, 1, newest=1, stable=stable, place=place)
    store.decide(lambda change: change.save_target(TargetRow(name, TARGET.dump(held))))


@pytest.fixture
def connected(store):
    for name in ("near", "far"):
        cluster = Cluster(name, kubeconfig="/nonexistent", namespace="own")
        store.decide(lambda change, cluster=cluster: change.save_cluster(cluster))
    return store


def test_what_is_declared_is_looked_at_before_its_first_release(connected):
    declared(connected, FILE)
    declared(connected, ECHO)
    assert served_in(connected, "near") == (
        Served("echo/near", Place("near", "own")),
        Served("fraud/near", TAKEN),
    )
    assert [one.target for one in served_in(connected, "far")] == ["fraud/far"]
    assert served_in(connected, "elsewhere") == ()


def test_what_serves_is_looked_at_where_it_serves_and_as_it_is_declared_now(connected):
    declared(connected, ECHO.replace("near}}", "near, sticky: cookie}}"))
    serves(connected, "echo/near", Place("near", "before"))
    serves(connected, "gone/near", TAKEN)
    assert served_in(connected, "near") == (
        Served("echo/near", Place("near", "before"), "cookie"),
        Served("gone/near", TAKEN),
    )


def test_a_batch_model_serves_nowhere(connected):
    declared(connected, BATCH)
    assert served_in(connected, "near") == ()


def test_the_command_names_what_is_amiss_with_what_to_type_and_ends_with_1(tmp_path):
    """The API server of the kubeconfig does not answer."""
    settings = Settings(home=tmp_path)
    (settings.home / "stores").mkdir()
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    store = Store.open(settings.store_url("engine"))
    near = Cluster("near", kubeconfig=str(tmp_path / "kubeconfig"))
    store.decide(lambda change: change.save_cluster(near))
    store.close()
    asked = ["--cluster", "near", "--json"]
    done = CliRunner().invoke(running.examine, asked, env={"SEGUE_HOME": str(tmp_path)})
    assert done.exit_code == 1, done.output
    (found,) = json.loads(done.output)
    assert (found["check"], found["ok"]) == ("cluster", False)
    assert "does not answer" in found["detail"]
    assert found["mend"] == f"connect it again: segue cluster near --kubeconfig {near.kubeconfig}"
