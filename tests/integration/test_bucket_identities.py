"""Buckets that a pod asks as its service account: what each cloud is asked, and what the bucket then gets.

The clouds are servers that answer by their documented contracts; what AWS's webhook, EKS's agent, GKE and AKS
put into a pod are the variables here.
"""

import hashlib
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from service.adapters.buckets.identity import Identity
from service.adapters.buckets.signing import Login, request
from service.ports.outcomes import Refused, Retry
from tests.integration.test_buckets import FILES, Bucket, copied, sums

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
ROLE = "arn:aws:iam::123456789012:role/weights"
STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>SESSION</SessionToken>
<SecretAccessKey>SECRET</SecretAccessKey><Expiration>2026-01-01T13:00:00Z</Expiration>
<AccessKeyId>ASIAEXAMPLE</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
AGENT = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "SECRET", "Token": "SESSION",
         "Expiration": "2026-01-01T13:00:00Z"}  # fmt: skip
BEARER = {"access_token": "BEARER", "expires_in": 3599, "token_type": "Bearer"}


class Cloud(ThreadingHTTPServer):
    """Answers every request alike, and remembers each: path, headers, body."""

    daemon_threads = True

    def __init__(self, answer, status=200):
        super().__init__(("127.0.0.1", 0), Asked)
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.status, self.asked = status, []
        self.host = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self):
        self.shutdown()
        super().server_close()


class Asked(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        told = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.asked.append((self.command, self.path, dict(self.headers), told))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer.encode())

    do_POST = do_GET  # noqa: N815 (the name that the server looks for)

    def log_message(self, *_):
        pass


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "token"
    file.write_text("JWT\n")
    return str(file)


def role(cloud, token):
    return {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_STS": f"http://{cloud.host}"}  # fmt: skip


def agent(cloud, token):
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{cloud.host}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token,
    }


def google(cloud, token):
    return {"GCE_METADATA_HOST": cloud.host}


def azure(cloud, token):
    return {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant", "AZURE_FEDERATED_TOKEN_FILE": token,
            "AZURE_AUTHORITY_HOST": f"http://{cloud.host}/"}  # fmt: skip


FOLDERS = {role: "s3://models/a", agent: "s3://models/a", google: "gs://models/a",
           azure: "https://acme.blob.core.windows.net/models/a"}  # fmt: skip
ANSWERS = {role: STS, agent: AGENT, google: BEARER, azure: BEARER}
CLOUDS = pytest.mark.parametrize("marks", FOLDERS, ids=lambda marks: marks.__name__)


def granted(marks, answer, token, status=200):
    """The login that this cloud's answer leads to, and what it was asked."""
    cloud = Cloud(answer, status)
    try:
        login = Identity(FOLDERS[marks], marks(cloud, token), lambda: NOON).login()
    finally:
        cloud.server_close()
    return login, cloud.asked


def test_a_role_of_a_service_account_is_assumed_by_its_token(token):
    login, [(method, path, _, body)] = granted(role, STS, token)
    assert (method, path) == ("POST", "/")
    assert body == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "segue-weights",
        "WebIdentityToken": "JWT",
    }
    endpoint = "https://s3.eu-west-1.amazonaws.com"
    assert login == Login("ASIAEXAMPLE", "SECRET", "SESSION", "eu-west-1", endpoint)


def test_the_agent_of_eks_is_asked_with_the_pods_token(token):
    login, [(method, path, headers, _)] = granted(agent, AGENT, token)
    assert (method, path, headers["Authorization"]) == ("GET", "/v1/credentials", "JWT")
    assert (login.key, login.secret, login.token) == ("ASIAEXAMPLE", "SECRET", "SESSION")


def test_googles_metadata_server_gives_a_token(token):
    login, [(method, path, headers, _)] = granted(google, BEARER, token)
    assert (method, path) == ("GET", "/computeMetadata/v1/instance/service-accounts/default/token")
    assert headers["Metadata-Flavor"] == "Google"
    url, said = request("gs://models/a", "b c", login, datetime.fromtimestamp(NOON, UTC))
    assert url == "https://storage.googleapis.com/models/a/b%20c"
    assert said == {"Authorization": "Bearer BEARER"}


def test_azure_changes_the_pods_token_for_one_of_the_storage(token):
    login, [(method, path, _, body)] = granted(azure, BEARER, token)
    assert (method, path) == ("POST", "/tenant/oauth2/v2.0/token")
    assert (body["client_id"], body["client_assertion"]) == ("client", "JWT")
    assert body["scope"] == "https://storage.azure.com/.default"
    url, said = request(FOLDERS[azure], "b c", login, datetime.fromtimestamp(NOON, UTC))
    assert url == "https://acme.blob.core.windows.net/models/a/b%20c"
    assert said["Authorization"] == "Bearer BEARER"
    assert said["x-ms-date"] == "Thu, 01 Jan 2026 12:00:00 GMT"
    for elsewhere in ("http://acme.blob.core.windows.net/m", "https://blob.core.windows.net.example/m"):
        assert request(elsewhere, "b", login, datetime.fromtimestamp(NOON, UTC))[1] == {}


@CLOUDS
def test_a_grant_is_used_until_shortly_before_its_end(marks, token):
    cloud, now = Cloud(ANSWERS[marks]), [NOON]
    identity = Identity(FOLDERS[marks], marks(cloud, token), lambda: now[0])
    identity.login()
    now[0] += 3200
    identity.login()
    assert len(cloud.asked) == 1
    now[0] += 200
    identity.login()
    assert len(cloud.asked) == 2
    cloud.server_close()


@CLOUDS
@pytest.mark.parametrize("answer", ["", "[]", "{}", {"access_token": "x", "AccessKeyId": "x"}])
def test_an_answer_that_grants_nothing_is_refused(marks, answer, token):
    with pytest.raises(Refused, match="the cloud's answer holds no"):
        granted(marks, answer, token)


@CLOUDS
@pytest.mark.parametrize(("status", "error"), [(403, Refused), (503, Retry), (429, Retry), (302, Refused)])
def test_a_cloud_that_denies_is_told_from_one_that_is_away(marks, status, error, token):
    with pytest.raises(error, match=f"it answers {status}") as said:
        granted(marks, ANSWERS[marks], token, status)
    assert "JWT" not in str(said.value)


def test_keys_that_the_pod_was_given_go_before_its_identity(token):
    cloud = Cloud(STS)
    given = {**role(cloud, token), "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "S"}
    assert Identity("s3://models/a", given).login().key == "AKIA"
    assert Identity("gs://models/a", {**google(cloud, token), **given}).login().key == "AKIA"
    assert Identity("https://x.example/a", azure(cloud, token)).login().bearer == ""
    cloud.server_close()
    assert cloud.asked == []


def test_a_token_that_is_not_there_is_said(tmp_path):
    with pytest.raises(Refused, match="cannot be read: No such file"):
        granted(role, STS, str(tmp_path / "none"))


@pytest.mark.parametrize("marks", [role, agent, google], ids=lambda marks: marks.__name__)
def test_weights_are_copied_without_a_secret(marks, tmp_path, token):
    answer = json.loads(json.dumps(ANSWERS[marks]).replace("2026-01-01", "2999-01-01"))
    cloud = Cloud(answer)
    files = {**FILES, "SHA256SUMS": sums(FILES)}
    with Bucket({f"/models/ranker/7/{name}": data for name, data in files.items()}) as bucket:
        scheme = "gs" if marks is google else "s3"
        digest = hashlib.sha256(sums(FILES)).hexdigest()
        assert copied(bucket, tmp_path / "to", scheme, digest, **marks(cloud, token)) == ""
        word = "Bearer BEARER" if marks is google else "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/"
        assert all(said.startswith(word) for _, said in bucket.asked)
    cloud.server_close()
    assert len(cloud.asked) == 1
