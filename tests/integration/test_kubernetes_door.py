"""What an API server may answer instead of what was asked, over real HTTP: each has one meaning."""

import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from service.adapters.kubernetes.answers import Expired, NoSuchKind, Owned, Stale, Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, POD, SERVICE
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from tests.misbehaving import Misbehaving, answer, half, hang, reset, status, stream

SECRET = "eyJ.very-secret"
THING = {"metadata": {"name": "churn", "resourceVersion": "7"}}
READY = answer("ok")


@pytest.fixture
def server():
    with Misbehaving() as server:
        yield server


def kubeconfig(tmp_path, url, **user):
    path = tmp_path / "kubeconfig"
    told = {
        "current-context": "main",
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u"}},
            {"name": "other", "context": {"cluster": "d", "user": "u"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": url}},
            {"name": "d", "cluster": {"server": "http://127.0.0.1:1"}},
        ],
        "users": [{"name": "u", "user": user or {"token": SECRET}}],
    }
    path.write_text(yaml.safe_dump(told))
    return str(path)


@pytest.fixture
def api(server, tmp_path):
    return Api.of(Cluster("prod", kubeconfig(tmp_path, server.url)), reading=0.5)


def get(api):
    return api.get(DEPLOYMENT, "shop", "churn")


def create(api):
    return api.create(DEPLOYMENT, "shop", THING)


def replace(api):
    return api.replace(DEPLOYMENT, "shop", "churn", THING)


def apply(api):
    return api.apply(DEPLOYMENT, "shop", THING)


def patch(api):
    return api.patch(DEPLOYMENT, "shop", "churn", {"spec": {"replicas": 2}})


MISSING = status(404, "NotFound", "gone", {"name": "churn", "kind": "deployments"})
OWNED = status(
    409,
    "Conflict",
    "Apply failed",
    {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "argocd"',
                "field": ".spec.replicas",
            }
        ]
    },
)
QUOTA = status(403, "Forbidden", 'deployments "churn" is forbidden: exceeded quota: small')
RIGHTS = status(403, "Forbidden", 'User "u" cannot get resource "deployments"')


@pytest.mark.parametrize(
    ("steps", "call", "error", "words"),
    [
        ((status(409, "AlreadyExists"),), create, Taken, "has deployments.apps shop/churn already"),
        ((status(409, "Conflict"),), replace, Stale, "could not update"),
        ((MISSING,), replace, Stale, "gone meanwhile"),
        ((OWNED,), apply, Owned, '.spec.replicas: conflict with "argocd"'),
        ((status(401, "Unauthorized"), READY, status(401, "Unauthorized")), get, Refused, "does not accept Segue's login"),
        ((RIGHTS, READY, RIGHTS), get, Refused, "give its account that right"),
        ((QUOTA, READY, QUOTA), create, Refused, "raise the quota"),
        ((status(403, "Forbidden", "violates PodSecurity"), READY, status(403, "Forbidden", "violates PodSecurity")), create, Refused, "does not allow"),
        ((answer("404 page not found", 404), READY, answer("404 page not found", 404)), get, NoSuchKind, "install its definition"),
        ((status(404, "NotFound", "no", {"name": "shop", "kind": "namespaces"}), READY, status(404, "NotFound", "no", {"name": "shop", "kind": "namespaces"})), create, Refused, "kubectl create namespace shop"),
        ((status(422, "Invalid", "spec.replicas: Invalid value: -1"),), create, Refused, "spec.replicas"),
        ((status(400, "BadRequest"),), create, Refused, "400"),
        ((status(410, "Expired"),), get, Expired, "forgot"),
        ((status(429, "TooManyRequests"),), get, Retry, "no time"),
        ((status(500, "InternalError", "etcdserver: request timed out"),), get, Retry, "etcdserver"),
        ((answer("<html>bad gateway</html>", 502),), get, Retry, "502"),
        ((status(503, "ServiceUnavailable"),), get, Retry, "503"),
        ((answer("<html>sign in</html>"),), get, Retry, "something else than JSON"),
        ((answer("[1]"),), get, Retry, "something else than JSON"),
        ((answer("", 302, Location="http://127.0.0.1:1/"),), get, Refused, "redirects"),
        ((hang,), get, Retry, "does not answer"),
        ((reset,), create, Retry, "does not answer"),
        ((half,), get, Retry, "does not answer"),
    ],
)  # fmt: skip
def test_each_answer_means_one_thing(server, api, steps, call, error, words):
    server.does(*steps)
    with pytest.raises(error) as raised:
        call(api)
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def asked(server):
    """The methods of what the server was asked, without the questions whether it is ready."""
    return [method for method, path, *_ in server.asked if path != "/readyz"]


def proxied(api):
    return api.proxy("shop", "churn", 8080, "/healthz")


def delete(api):
    return api.delete(DEPLOYMENT, "shop", "churn")


PASSING = [
    reset,
    half,
    status(500),
    answer("<html>bad gateway</html>", 502),
    status(503),
    answer("", 504),
    status(429),
    status(429, Retry_After="0"),
]


@pytest.mark.parametrize("failure", PASSING)
def test_what_asks_for_nothing_else_is_tried_again_at_once(server, api, failure):
    server.does(failure, failure, answer(THING))
    assert get(api) == THING
    assert asked(server) == ["GET"] * 3
    server.does(failure, answer(THING))
    assert create(api) == THING
    assert asked(server) == ["POST"] * 2
    server.does(failure, MISSING)
    delete(api)
    assert asked(server) == ["DELETE"] * 2


@pytest.mark.parametrize("failure", PASSING)
def test_a_failure_that_stays_is_the_callers_after_three_tries(server, api, failure):
    server.does(failure)
    with pytest.raises(Retry) as raised:
        get(api)
    assert raised.value.after <= 1, "one call failed, in however many tries"
    assert asked(server) == ["GET"] * 3


@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.parametrize("call", [replace, apply, patch])
def test_a_write_that_rests_on_what_was_read_is_sent_once(server, api, failure, call):
    server.does(failure, answer(THING))
    with pytest.raises(Retry):
        call(api)
    assert len(asked(server)) == 1


@pytest.mark.parametrize(
    "failure",
    [hang, status(429, Retry_After="2"), MISSING, status(409), status(410), status(422), status(501)],
)
def test_what_does_not_pass_at_once_is_not_waited_for(server, api, failure):
    server.does(failure, answer(THING))
    with pytest.raises((Retry, Refused)):
        create(api)
    assert len(asked(server)) == 1


def test_a_made_object_whose_answer_was_lost_is_taken_by_ourselves(server, api):
    """As it would be were the whole step done again: whoever makes it looks whose it is."""
    server.does(reset, status(409, "AlreadyExists"))
    with pytest.raises(Taken):
        create(api)


def test_a_services_own_failure_is_its_answer(server, api):
    server.does(answer("boom", 500), answer("ok"))
    assert proxied(api) == 500
    assert asked(server) == ["GET"]


def test_a_server_that_does_not_listen_is_one_to_try_again(tmp_path):
    api = Api.of(Cluster("gone", kubeconfig(tmp_path, "http://127.0.0.1:1")))
    with pytest.raises(Retry, match="the cluster gone does not answer to get deployments"):
        get(api)


def test_a_server_that_answers_nothing_is_asked_once_and_then_left_alone_by_all_who_share_the_process(
    server, api, tmp_path
):
    server.does(hang)
    with pytest.raises(Retry, match="TimeoutError"):
        get(api)
    others = Api.of(Cluster("same", kubeconfig(tmp_path, server.url)), reading=0.5)
    for call in (get, create, replace, proxied):
        with pytest.raises(Retry, match="takes calls and does not answer"):
            call(others)
    assert [path for _, path, *_ in server.asked][1:] == ["/readyz"]


def test_a_call_that_hangs_beside_others_that_are_answered_holds_up_itself_alone(server, api):
    server.does(hang, READY, answer(THING))
    with pytest.raises(Retry):
        create(api)
    assert get(api) == THING


def test_an_object_that_is_not_there_is_none(server, api):
    server.does(MISSING)
    assert get(api) is None


@pytest.mark.parametrize("refusal", [RIGHTS, answer("404 page not found", 404), status(401)])
def test_a_server_that_has_just_started_is_not_believed(server, api, refusal):
    """It refuses what it will allow once it knows all rights and kinds."""
    server.does(refusal, answer("[-]poststarthook/rbac/bootstrap-roles failed", 500))
    with pytest.raises(Retry, match="just started"):
        get(api)


@pytest.mark.parametrize("refusal", [RIGHTS, answer("404 page not found", 404), status(401)])
def test_a_server_that_became_ready_meanwhile_is_asked_again(server, api, refusal):
    server.does(refusal, READY, answer(THING))
    assert get(api) == THING
    server.does(refusal, READY, answer(THING))
    assert patch(api) == THING, "what was refused was not done"
    server.does(answer({"status": {"allowed": False}}), READY, answer({"status": {"allowed": True}}))
    assert api.allowed("get", SERVICE, "shop")


@pytest.mark.parametrize("early", [answer("404 page not found", 404), RIGHTS])
def test_what_a_server_does_not_know_yet_is_not_gone(server, api, early):
    server.does(early, answer("[-]poststarthook/crd-informer-synced failed", 500))
    with pytest.raises(Retry, match="just started"):
        delete(api)
    server.does(answer({"status": {"allowed": False}}), answer("not ready", 500))
    with pytest.raises(Retry, match=r"does not let Segue list httproutes.* just started"):
        api.allowed("list", HTTP_ROUTE, None)


def test_a_server_that_tells_only_who_is_logged_in_whether_it_is_ready_is_asked_so(server, api):
    def readiness(handler):
        early = answer("[-]poststarthook/rbac/bootstrap-roles failed", 500)
        (early if handler.headers["Authorization"] else status(401))(handler)

    server.does(RIGHTS, readiness)
    with pytest.raises(Retry, match="just started"):
        get(api)


def test_a_watch_that_is_refused_after_its_list_was_allowed_is_one_to_try_again(server, api):
    server.does(page(["a"]), RIGHTS)
    seen = api.watch(POD, "shop", seconds=30)
    next(seen)
    with pytest.raises(Retry, match="give its account that right"):
        next(seen)


@pytest.mark.parametrize("header", ["7", "date"])
def test_a_busy_server_says_how_long_to_wait(server, api, header):
    at = datetime.now(UTC) + timedelta(seconds=8)
    text = at.strftime("%a, %d %b %Y %H:%M:%S GMT") if header == "date" else header
    server.does(status(429, Retry_After=text))
    with pytest.raises(Retry) as raised:
        get(api)
    assert 6 < raised.value.after < 40


def test_waits_grow_and_an_answer_ends_that(server, api):
    server.does(status(503))
    waits = []
    for _ in range(60):
        with pytest.raises(Retry) as raised:
            replace(api)
        waits.append(raised.value.after)
    assert max(waits[:2]) <= 2
    assert 5 < max(waits[10:]) <= 30, "full jitter below half a minute"
    assert len(set(waits)) > 50
    server.does(answer(THING), status(503))
    assert get(api) == THING
    with pytest.raises(Retry) as raised:
        replace(api)
    assert raised.value.after <= 1


def test_no_proxy_is_taken_from_the_environment(server, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.does(answer(THING))
    assert get(Api.of(Cluster("prod", kubeconfig(tmp_path, server.url)))) == THING


def test_the_proxy_of_the_kubeconfig_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    path = kubeconfig(tmp_path, "http://api.example")
    told = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    told["clusters"][0]["cluster"]["proxy-url"] = server.url
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(told))
    server.does(answer(THING))
    assert get(Api.of(Cluster("prod", path))) == THING
    assert server.asked[0][1].startswith("http://api.example/apis/apps/v1/")


# --- what is sent -----------------------------------------------------------------------------


def test_writes_name_their_manager_and_never_force(server, api):
    server.does(answer(THING))
    apply(api)
    method, path, headers, body = server.asked[0]
    assert method == "PATCH"
    assert path == "/apis/apps/v1/namespaces/shop/deployments/churn?fieldManager=segue&force=false"
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(body) == THING


def test_a_replacement_without_a_version_is_a_mistake(api):
    with pytest.raises(ValueError, match="resourceVersion"):
        api.replace(DEPLOYMENT, "shop", "churn", {"metadata": {"name": "churn"}})


def test_deleting_what_is_gone_is_fine_and_a_uid_is_a_condition(server, api):
    server.does(MISSING)
    api.delete(DEPLOYMENT, "shop", "churn", grace=5, uid="u-1")
    sent = json.loads(server.asked[0][3])
    assert sent["gracePeriodSeconds"] == 5
    assert sent["preconditions"] == {"uid": "u-1"}
    assert sent["propagationPolicy"] == "Background"
    server.does(status(409, "Conflict", "the UID in the precondition does not match"))
    with pytest.raises(Stale):
        api.delete(DEPLOYMENT, "shop", "churn", uid="u-1")


# --- lists and watches ------------------------------------------------------------------------


def page(names, token="", version="5"):
    items = [{"metadata": {"name": name, "resourceVersion": "1"}} for name in names]
    return answer({"metadata": {"resourceVersion": version, "continue": token}, "items": items})


def names(items):
    return [item["metadata"]["name"] for item in items]


def test_a_list_has_all_its_pages(server, api):
    server.does(page(["a", "b"], "more"), page(["c"]))
    assert names(api.list(POD, "shop", labels="app=churn", fields="status.phase=Running")) == ["a", "b", "c"]
    first, second = (path for _, path, *_ in server.asked)
    assert "labelSelector=app%3Dchurn" in first
    assert "fieldSelector=status.phase%3DRunning" in first
    assert "continue=more" in second


def test_a_list_whose_page_is_forgotten_begins_anew(server, api):
    server.does(page(["a"], "more"), status(410, "Expired"), page(["a", "b"]))
    assert names(api.list(POD, "shop")) == ["a", "b"], "nothing twice, nothing left out"


def test_a_list_that_is_always_forgotten_is_one_to_try_again(server, api):
    server.does(page(["a"], "more"), status(410), page(["a"], "more"), status(410))
    with pytest.raises(Retry):
        api.list(POD, "shop")


def changed(what, name, version):
    return {"type": what, "object": {"metadata": {"name": name, "resourceVersion": version}}}


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


def test_a_watch_goes_on_from_the_last_bookmark(server, api):
    server.does(
        page(["a"], version="5"),
        stream(changed("ADDED", "b", "6"), changed("BOOKMARK", "", "9")),
        stream(changed("DELETED", "a", "10")),
    )
    seen = api.watch(POD, "shop", seconds=30)
    assert [(what, names(items)) for what, items in (next(seen), next(seen), next(seen))] == [
        ("ALL", ["a"]),
        ("SET", ["b"]),
        ("GONE", ["a"]),
    ]
    asked = [path for _, path, *_ in server.asked]
    assert "resourceVersion=5" in asked[1]
    assert "allowWatchBookmarks=true" in asked[1]
    assert "resourceVersion=9" in asked[2]


@pytest.mark.parametrize("forgotten", [stream(GONE), status(410, "Expired")])
def test_a_watch_that_lost_its_place_shows_everything_anew(server, api, forgotten):
    server.does(page(["a"]), forgotten, page(["b"]))
    seen = api.watch(POD, "shop", seconds=30)
    assert [(what, names(items)) for what, items in (next(seen), next(seen))] == [
        ("ALL", ["a"]),
        ("ALL", ["b"]),
    ]


@pytest.mark.parametrize(
    "step", [half, reset, answer("no change\n"), stream({"type": "ERROR", "object": {"code": 500}})]
)
def test_a_watch_that_breaks_off_is_one_to_try_again(server, api, step):
    server.does(page(["a"]), step)
    seen = api.watch(POD, "shop", seconds=30)
    next(seen)
    with pytest.raises(Retry):
        next(seen)


# --- logs and the way to a Service ------------------------------------------------------------


def test_logs_that_are_not_there_are_empty(server, api):
    server.does(status(400, "BadRequest", "container is waiting to start"))
    assert not api.logs("shop", "churn-1", "model", tail=5)
    assert "tailLines=5&container=model" in server.asked[0][1]
    server.does(answer("a line"))
    assert api.logs("shop", "churn-1", previous=True) == "a line"
    server.does(status(500))
    with pytest.raises(Retry):
        api.logs("shop", "churn-1")


def test_a_service_is_told_apart_from_the_server_before_it(server, api):
    server.does(answer("teapot", 418))
    assert api.proxy("shop", "churn", 8080, "/healthz") == 418
    assert server.asked[0][1] == "/api/v1/namespaces/shop/services/churn:8080/proxy/healthz"
    server.does(status(503, "ServiceUnavailable", "no endpoints available"))
    assert api.proxy("shop", "churn", 8080, "/healthz") is None
    no = status(403, "Forbidden", "cannot get services/proxy")
    server.does(no, READY, no)
    with pytest.raises(Refused):
        api.proxy("shop", "churn", 8080, "/healthz")
    server.does(answer("no such page", 404), READY)
    assert api.proxy("shop", "churn", 8080, "/healthz") == 404
    assert asked(server) == ["GET"]


def test_a_service_is_sent_bytes_as_they_are_once(server, api):
    def posted():
        query = [("first", "7")]
        return api.posted("shop", "churn", 8081, "/requests", query, {"X-Token": "a"}, b'{"a": 1}\n{}\n')

    server.does(answer("asks 2", 202))
    assert posted() == 202
    method, path, headers, body = server.asked[0]
    assert (method, path) == ("POST", "/api/v1/namespaces/shop/services/churn:8081/proxy/requests?first=7")
    assert (headers["X-Token"], body) == ("a", b'{"a": 1}\n{}\n')
    server.does(answer("busy", 429), answer("later", 202))
    assert posted() == 429
    server.does(status(503, "ServiceUnavailable", "no endpoints available"), answer("later", 202))
    assert posted() is None
    server.does(reset, answer("later", 202))
    with pytest.raises(Retry):
        posted()
    assert asked(server) == ["POST"]


def test_rights_are_asked_for_with_their_subresource(server, api):
    no = answer({"status": {"allowed": False}})
    server.does(answer({"status": {"allowed": True}}), no, READY, no, answer({}), READY, answer({}))
    assert api.allowed("get", SERVICE, "shop", "churn")
    assert not api.allowed("get", SERVICE, None)
    assert not api.allowed("get", HTTP_ROUTE, "shop"), "what is not said is not allowed"
    attributes = json.loads(server.asked[0][3])["spec"]["resourceAttributes"]
    assert attributes == {
        "verb": "get",
        "group": "",
        "resource": "services",
        "subresource": "",
        "namespace": "shop",
        "name": "churn",
    }


# --- contexts and logins ----------------------------------------------------------------------


def test_several_clusters_of_one_file_are_apart(server, tmp_path):
    path = kubeconfig(tmp_path, server.url)
    server.does(answer(THING))
    assert get(Api.of(Cluster("a", path))) == THING
    with pytest.raises(Retry):
        get(Api.of(Cluster("b", path, context="other")))


@pytest.mark.parametrize(
    ("text", "context", "words"),
    [
        (None, None, "cannot be read: No such file"),
        ("{", None, "is not YAML"),
        ("[]", None, "is not a kubeconfig"),
        ("contexts: []", None, "no current context; name one of: none"),
        ("contexts: [{name: a}]", "b", "no entry 'b' in contexts; it has: a"),
        ("{contexts: [{name: a, context: {cluster: c}}]}", "a", "no entry 'c' in clusters"),
        ("{contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c}]}", "a", "has no server"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(tmp_path, text, context, words):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Refused) as raised:
        Api.of(Cluster("prod", str(path), context))
    assert words in str(raised.value)


def test_outside_of_a_cluster_there_is_no_service_account(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Refused, match="the cluster here cannot be reached: Service host/port is not set"):
        Api.of(Cluster("here"))


def test_a_token_file_is_read_beside_the_kubeconfig_and_again_once_refused(server, tmp_path):
    (tmp_path / "token").write_text("first\n")
    api = Api.of(Cluster("prod", kubeconfig(tmp_path, server.url, tokenFile="token")))
    server.does(answer(THING), status(401), READY, answer(THING))
    get(api)
    (tmp_path / "token").write_text("second\n")
    assert get(api) == THING
    sent = [headers["Authorization"] for _, path, headers, _ in server.asked if path != "/readyz"]
    assert sent == ["Bearer first", "Bearer first", "Bearer second"]


CLOUDS = {  # as the clouds' own tools write them into a kubeconfig
    "eks": {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "args": ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod", "--output", "json"],
        "env": [{"name": "AWS_PROFILE", "value": "ml"}],
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": False,
    },
    "gke": {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "installHint": "Install gke-gcloud-auth-plugin for use with kubectl",
        "provideClusterInfo": True,
    },
    "aks": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "args": [
            "get-token",
            "--environment",
            "AzurePublicCloud",
            "--server-id",
            "6dae42f8",
            "--login",
            "msi",
        ],
        "env": None,
        "provideClusterInfo": False,
    },
}
PLUGIN = """#!/usr/bin/python3
import json, os, sys
folder = os.path.dirname(os.path.abspath(__file__))
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
with open(folder + "/runs", "a") as runs:
    json.dump({"info": info, "args": sys.argv[1:], "profile": os.environ.get("AWS_PROFILE")}, runs)
    runs.write(chr(10))
print(open(folder + "/prints").read().replace("VERSION", info["apiVersion"]))
"""


@pytest.fixture
def plugin(tmp_path):
    """A credential plugin that is a real program, and what it has been told."""

    class Plugin:
        name = "./plugin"

        def prints(self, **told):
            body = {"kind": "ExecCredential", "apiVersion": "VERSION", "status": told}
            (tmp_path / "prints").write_text(json.dumps(body))

        def is_program(self, text):
            (tmp_path / "plugin").write_text(text)
            (tmp_path / "plugin").chmod(stat.S_IRWXU)

        @property
        def runs(self):
            return [json.loads(line) for line in (tmp_path / "runs").read_text().splitlines()]

    plugin = Plugin()
    plugin.is_program(PLUGIN)
    return plugin


def ends_in(seconds):
    return datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_clouds_plugin_gives_the_token_once_until_it_ends(server, tmp_path, plugin, cloud):
    told = CLOUDS[cloud]
    plugin.prints(token="first", expirationTimestamp=ends_in(900))
    path = kubeconfig(tmp_path, server.url, exec={**told, "command": plugin.name})
    api = Api.of(Cluster("prod", path))
    server.does(answer(THING))
    get(api)
    get(api)
    assert [headers["Authorization"] for _, _, headers, _ in server.asked] == ["Bearer first"] * 2
    (run,) = plugin.runs
    assert run["args"] == told.get("args", [])
    assert run["info"]["apiVersion"] == told["apiVersion"]
    assert run["info"]["spec"]["interactive"] is False
    assert run["info"]["spec"].get("cluster", {}).get("server") == (
        server.url if told["provideClusterInfo"] else None
    )
    assert run["profile"] == ("ml" if cloud == "eks" else None)


def test_a_token_that_is_about_to_end_is_fetched_anew(server, tmp_path, plugin):
    plugin.prints(token="short", expirationTimestamp=ends_in(20))
    api = Api.of(
        Cluster("prod", kubeconfig(tmp_path, server.url, exec={**CLOUDS["eks"], "command": plugin.name}))
    )
    server.does(answer(THING))
    get(api)
    get(api)
    assert len(plugin.runs) == 2


def test_a_token_that_the_server_refuses_is_fetched_anew_once(server, tmp_path, plugin):
    plugin.prints(token="stolen")
    api = Api.of(
        Cluster("prod", kubeconfig(tmp_path, server.url, exec={**CLOUDS["gke"], "command": plugin.name}))
    )
    server.does(status(401))
    with pytest.raises(Refused, match="does not accept Segue's login"):
        get(api)
    assert len(plugin.runs) == 2


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        ("#!/bin/sh\necho 'token=very-secret'; echo 'login first: az login' >&2; exit 3\n", Retry, "ended with 3: login first: az login"),
        ("#!/bin/sh\necho very-secret\n", Refused, "printed no ExecCredential"),
        ("#!/bin/sh\necho '{\"apiVersion\": \"v9\", \"status\": {\"token\": \"very-secret\"}}'\n", Refused, "answered in 'v9'"),
        ("#!/bin/sh\necho '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"status\": {}}'\n", Refused, "neither a token nor a certificate"),
    ],
)  # fmt: skip
def test_a_plugin_that_fails_says_why_and_nobody_goes_on_without_a_login(
    server, tmp_path, plugin, program, error, words
):
    plugin.is_program(program)
    api = Api.of(
        Cluster("prod", kubeconfig(tmp_path, server.url, exec={**CLOUDS["aks"], "command": plugin.name}))
    )
    with pytest.raises(error) as raised:
        get(api)
    assert words in str(raised.value)
    assert "very-secret" not in str(raised.value)
    assert not server.asked


HANGING = """#!/bin/sh
cd "$(dirname "$0")"
echo {} >> runs
exec 3> alive
sleep 600
"""


def test_a_plugin_that_hangs_is_given_up_for_all_who_ask_there(server, tmp_path, plugin):
    plugin.is_program(HANGING)
    os.mkfifo(tmp_path / "alive")
    alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    path = kubeconfig(tmp_path, server.url, exec={**CLOUDS["eks"], "command": plugin.name})
    models = [Api.of(Cluster("prod", path), plugging=2.0) for _ in range(3)]
    asking = []
    for api in models:
        with pytest.raises(
            Retry, match=r"plugin .*/plugin did not end within 2 s .* Run it where Segue"
        ) as raised:
            get(api)
        asking.append(raised.value.after)
    assert len(plugin.runs) == 1, "whoever comes after it was given up does not wait for it again"
    assert 8.0 == asking[0] > asking[1] > asking[2]
    assert not server.asked, "nobody goes on without a login"
    os.set_blocking(alive, True)
    assert os.read(alive, 1) == b"", "neither it nor what it started is left"
    os.close(alive)


WAITING = """#!/bin/sh
cd "$(dirname "$0")"
cat go > /dev/null
echo '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "late"}}'
"""


def test_a_plugin_that_takes_its_time_holds_up_its_own_cluster_alone(server, tmp_path, plugin):
    plugin.is_program(WAITING)
    os.mkfifo(tmp_path / "go")
    near = Api.of(Cluster("near", kubeconfig(tmp_path, server.url)))
    far = Api.of(
        Cluster("far", kubeconfig(tmp_path, server.url, exec={**CLOUDS["aks"], "command": plugin.name})),
        plugging=60.0,
    )
    server.does(answer(THING))
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(get, far)
        with (tmp_path / "go").open("w"):  # it is open once the plugin waits
            assert get(near) == THING
            assert not asked.done()
        assert asked.result(timeout=60) == THING
    near_asked, far_asked = (headers for _, _, headers, _ in server.asked)
    assert (near_asked["authorization"], far_asked["Authorization"]) == (f"Bearer {SECRET}", "Bearer late")


def test_a_plugin_that_is_not_installed_says_how_to_install_it(server, tmp_path):
    api = Api.of(
        Cluster(
            "prod",
            kubeconfig(tmp_path, server.url, exec={**CLOUDS["gke"], "command": "gke-gcloud-auth-plugin-x"}),
        )
    )
    with pytest.raises(Refused, match="No such file or directory; Install gke-gcloud-auth-plugin"):
        get(api)


def test_an_old_form_of_plugin_is_refused(server, tmp_path, plugin):
    old = {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": plugin.name}
    api = Api.of(Cluster("prod", kubeconfig(tmp_path, server.url, exec=old)))
    with pytest.raises(Refused, match="/v1alpha1; known:"):
        get(api)
