"""The door on a real API server: every verb, every conflict, and logins as the clouds give them."""

import base64
import json
import secrets
import stat
import time

import pytest
import yaml

from service.adapters.kubernetes.answers import NoSuchKind, Owned, Stale, Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, SERVICE_ACCOUNT, Kind
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry

UNKNOWN = Kind("unheard.example/v1", "things")


@pytest.fixture(scope="module")
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture(scope="module")
def namespace(api):
    name = f"segue-test-door-{secrets.token_hex(3)}"
    api.create(NAMESPACE, None, {"metadata": {"name": name}})
    yield name
    api.delete(NAMESPACE, None, name)


@pytest.fixture
def told(kubeconfig):
    """What the administrator's kubeconfig says."""
    return yaml.safe_load(kubeconfig.read_bytes())


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_the_server_says_its_version(api):
    assert api.version().startswith("v1.")


def test_an_object_lives_from_create_to_delete(api, namespace):
    api.create(CONFIG_MAP, namespace, config_map("life", a="1"), dry_run=True)
    assert api.get(CONFIG_MAP, namespace, "life") is None, "a dry run makes nothing"
    made = api.create(CONFIG_MAP, namespace, config_map("life", a="1"))
    with pytest.raises(Taken):
        api.create(CONFIG_MAP, namespace, config_map("life", a="2"))
    api.patch(CONFIG_MAP, namespace, "life", {"data": {"b": "2"}})
    with pytest.raises(Stale):
        api.replace(CONFIG_MAP, namespace, "life", made)
    now = api.patch(CONFIG_MAP, namespace, "life", [{"op": "remove", "path": "/data/a"}], "json")
    assert now["data"] == {"b": "2"}
    replaced = api.replace(CONFIG_MAP, namespace, "life", {**now, "data": {"c": "3"}})
    assert replaced["data"] == {"c": "3"}
    with pytest.raises(Stale):
        api.delete(CONFIG_MAP, namespace, "life", uid="00000000-0000-0000-0000-000000000000")
    api.delete(CONFIG_MAP, namespace, "life", uid=made["metadata"]["uid"])
    api.delete(CONFIG_MAP, namespace, "life")
    assert api.get(CONFIG_MAP, namespace, "life") is None


def test_a_json_patch_carries_the_version_that_it_was_made_for(api, namespace):
    made = api.create(CONFIG_MAP, namespace, config_map("patched", a="1"))
    api.patch(CONFIG_MAP, namespace, "patched", {"data": {"a": "2"}})
    version = made["metadata"]["resourceVersion"]
    with pytest.raises(Stale):
        api.patch(
            CONFIG_MAP, namespace, "patched", {"metadata": {"resourceVersion": version}, "data": {"a": "3"}}
        )
    with pytest.raises(Stale):
        api.patch(CONFIG_MAP, namespace, "nobody", {"data": {"a": "3"}})


def test_fields_of_another_manager_are_theirs(api, namespace):
    api.apply(CONFIG_MAP, namespace, config_map("shared", ours="1"))
    api.apply(CONFIG_MAP, namespace, config_map("shared", ours="2"))
    made = api.create(CONFIG_MAP, namespace, config_map("theirs", a="1"))
    other = {**made, "metadata": {**made["metadata"], "managedFields": [_as_of_argo(made)]}}
    api.replace(CONFIG_MAP, namespace, "theirs", other)
    with pytest.raises(Owned, match="argocd"):
        api.apply(CONFIG_MAP, namespace, config_map("theirs", a="2"))


def _as_of_argo(made):
    fields = {"f:data": {".": {}, "f:a": {}}}
    at = made["metadata"]["creationTimestamp"]
    return {
        "manager": "argocd",
        "operation": "Apply",
        "apiVersion": "v1",
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def test_what_the_cluster_does_not_know_is_said_in_words(api, namespace):
    with pytest.raises(NoSuchKind, match=r"things\.unheard\.example; install its definition"):
        api.get(UNKNOWN, namespace, "x")
    with pytest.raises(NoSuchKind):
        api.list(UNKNOWN, namespace)
    with pytest.raises(NoSuchKind):
        api.create(UNKNOWN, namespace, config_map("x"))
    with pytest.raises(Refused, match="has no namespace 'door-nowhere'; make it: kubectl create namespace"):
        api.create(CONFIG_MAP, "door-nowhere", config_map("x"))
    assert api.list(CONFIG_MAP, "door-nowhere") == []
    with pytest.raises(Refused, match="Invalid value"):
        api.create(CONFIG_MAP, namespace, config_map("Not_A_Name"))


def test_lists_are_whole_and_selected(api, namespace):
    for number in range(30):
        body = config_map(f"many-{number}")
        body["metadata"]["labels"] = {"half": str(number % 2)}
        api.create(CONFIG_MAP, namespace, body)
    assert len(api.list(CONFIG_MAP, namespace, labels="half=1")) == 15
    assert len(api.list(CONFIG_MAP, namespace, fields="metadata.name=many-7")) == 1
    everywhere = api.list(CONFIG_MAP, None, labels="half in (0,1)")
    assert {item["metadata"]["namespace"] for item in everywhere} >= {namespace}


def test_a_watch_shows_all_and_then_each_change(api, namespace):
    api.create(CONFIG_MAP, namespace, config_map("seen", a="1"))
    seen = api.watch(CONFIG_MAP, namespace, fields="metadata.name=seen", seconds=20)
    what, items = next(seen)
    assert (what, [item["data"] for item in items]) == ("ALL", [{"a": "1"}])
    api.patch(CONFIG_MAP, namespace, "seen", {"data": {"a": "2"}})
    what, (item,) = next(seen)
    assert (what, item["data"]) == ("SET", {"a": "2"})
    api.delete(CONFIG_MAP, namespace, "seen")
    assert next(seen)[0] == "GONE"


def test_a_watch_ends_by_itself(api, namespace):
    assert [what for what, _ in api.watch(POD, namespace, seconds=1)] == ["ALL"]


# --- logins -----------------------------------------------------------------------------------


def token_of(api, namespace, name):
    """A token of a new service account, as the API server makes it."""
    api.create(SERVICE_ACCOUNT, namespace, {"metadata": {"name": name}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = Kind("v1", f"serviceaccounts/{name}/token")
    return api.create(path, namespace, request)["status"]["token"]


def with_user(tmp_path, told, **user):
    context = next(c["context"] for c in told["contexts"] if c["name"] == told["current-context"])
    told["users"] = [{"name": context["user"], "user": user}]
    (tmp_path / "config").write_text(yaml.safe_dump(told))
    return Cluster("as-somebody", str(tmp_path / "config"))


def test_an_account_learns_what_it_may_and_what_it_lacks(api, namespace, tmp_path, told):
    theirs = Api.of(with_user(tmp_path, told, token=token_of(api, namespace, "nobody")))
    assert api.allowed("create", DEPLOYMENT, namespace)
    assert not theirs.allowed("create", DEPLOYMENT, namespace)
    with pytest.raises(Refused, match=r"does not let Segue get configmaps .* give its account that right"):
        theirs.get(CONFIG_MAP, namespace, "x")


def test_a_login_that_means_nothing_is_refused(tmp_path, told):
    with pytest.raises(Refused, match="does not accept Segue's login"):
        Api.of(with_user(tmp_path, told, token="not-a-token")).get(NAMESPACE, None, "default")


PLUGIN = """#!/bin/sh
cd "$(dirname "$0")"
test -e hangs && sleep 600
cat prints
"""


def plugin(tmp_path, told, **status):
    version = "client.authentication.k8s.io/v1"
    body = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    (tmp_path / "prints").write_text(json.dumps(body))
    (tmp_path / "plugin").write_text(PLUGIN)
    (tmp_path / "plugin").chmod(stat.S_IRWXU)
    return with_user(
        tmp_path, told, exec={"apiVersion": version, "command": "./plugin", "interactiveMode": "Never"}
    )


def test_a_plugins_token_is_a_login(api, namespace, tmp_path, told):
    connection = plugin(tmp_path, told, token=token_of(api, namespace, "plugged"))
    assert not Api.of(connection).allowed("create", DEPLOYMENT, namespace)


def test_a_plugin_that_hangs_is_given_up_and_asked_again(api, namespace, tmp_path, told):
    connection = plugin(tmp_path, told, token=token_of(api, namespace, "hung"))
    (tmp_path / "hangs").touch()
    theirs = Api.of(connection, plugging=0.5)
    with pytest.raises(Retry, match=r"did not end within 0\.5 s and was killed"):
        theirs.get(NAMESPACE, None, "default")
    assert api.get(NAMESPACE, None, "default"), "the other login goes on"
    (tmp_path / "hangs").unlink()
    with pytest.raises(Retry) as raised:
        theirs.get(NAMESPACE, None, "default")
    time.sleep(raised.value.after)
    assert not theirs.allowed("create", DEPLOYMENT, namespace)


def test_a_plugins_certificate_is_a_login(tmp_path, told):
    user = told["users"][0]["user"]
    if "client-certificate-data" not in user:
        pytest.skip("the login to this cluster is no certificate")
    pem = {k: base64.b64decode(user[f"client-{k}-data"]).decode() for k in ("certificate", "key")}
    connection = plugin(tmp_path, told, clientCertificateData=pem["certificate"], clientKeyData=pem["key"])
    assert Api.of(connection).allowed("create", DEPLOYMENT, "default")


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(tmp_path, told):
    told["clusters"][0]["cluster"].pop("certificate-authority-data", None)
    told["clusters"][0]["cluster"].pop("certificate-authority", None)
    (tmp_path / "config").write_text(yaml.safe_dump(told))
    with pytest.raises(Retry, match="certificate verify failed"):
        Api.of(Cluster("strange", str(tmp_path / "config"))).get(NAMESPACE, None, "default")
