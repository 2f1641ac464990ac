"""What a pod may ask a bucket as: the keys it was given, or those that a cloud gives its service account.

Where the pod has keys, they are used and nobody is asked. Else the cloud's own marks say whom to ask:
EKS (roles for service accounts, Pod Identity), GKE and AKS (workload identity). What is granted ends after an
hour or so, and is then asked for anew. Nothing here is printed, and a token goes to its own cloud alone.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from service.adapters.buckets.signing import Login, is_azure, login_of
from service.ports.outcomes import Refused, Retry

_EARLY = 300.0  # seconds before its end in which a grant is not used any more
_SECONDS = 10.0
Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """A login, and until when it holds (seconds since 1970)."""

    login: Login
    until: float


class Identity:
    """The login for a folder of a bucket; threads share one."""

    def __init__(self, folder: str, environ: Environ, clock: Callable[[], float] = time.time) -> None:
        self._given = login_of(environ, folder)
        self._ask = None if self._given.key else _whom(folder, environ)
        self._environ, self._clock = environ, clock
        self._grant: Grant | None = None
        self._lock = threading.Lock()

    def login(self) -> Login:
        """One that holds now. Raises `Refused` where the cloud grants none, `Retry` where it is away."""
        if self._ask is None:
            return self._given
        with self._lock:
            if self._grant is None or self._clock() > self._grant.until - _EARLY:
                self._grant = self._ask(self._given, self._environ, self._clock())
            return self._grant.login


def _whom(folder: str, environ: Environ) -> Callable[[Login, Environ, float], Grant] | None:
    """Who grants a login for this folder; None: nobody, and requests are not signed."""
    if folder.startswith("gs://"):
        return _google
    if is_azure(folder):
        return _azure if "AZURE_FEDERATED_TOKEN_FILE" in environ else None
    if not folder.startswith("s3://"):
        return None
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        return _role
    return _agent if environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else None


def _role(given: Login, environ: Environ, _now: float) -> Grant:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"""
    endpoint = environ.get("AWS_ENDPOINT_URL_STS") or environ.get("AWS_ENDPOINT_URL")
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": environ["AWS_ROLE_ARN"],
        "RoleSessionName": environ.get("AWS_ROLE_SESSION_NAME") or "segue-weights",
        "WebIdentityToken": _token(environ["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    }
    said = _answer("POST", endpoint or f"https://sts.{given.region}.amazonaws.com/", data=asked).text
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    found = {name: one[1] for name in names if (one := re.search(rf"<{name}>([^<]+)</{name}>", said))}
    return _keys(given, found, "SessionToken")


def _agent(given: Login, environ: Environ, _now: float) -> Grant:
    """https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""
    file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = _token(file) if file else environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    headers = {"Authorization": token} if token else {}
    answer = _answer("GET", environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
    return _keys(given, _json(answer), "Token")


def _google(given: Login, environ: Environ, now: float) -> Grant:
    """https://docs.cloud.google.com/compute/docs/access/authenticate-workloads (the metadata server)"""
    host = environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    return _bearer(given, _json(_answer("GET", url, headers={"Metadata-Flavor": "Google"})), now)


def _azure(given: Login, environ: Environ, now: float) -> Grant:
    """https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow (federated)"""
    authority = environ.get("AZURE_AUTHORITY_HOST") or "https://login.microsoftonline.com/"
    asked = {
        "grant_type": "client_credentials",
        "client_id": environ.get("AZURE_CLIENT_ID", ""),
        "scope": "https://storage.azure.com/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": _token(environ["AZURE_FEDERATED_TOKEN_FILE"]),
    }
    url = f"{authority.rstrip('/')}/{environ.get('AZURE_TENANT_ID', '')}/oauth2/v2.0/token"
    return _bearer(given, _json(_answer("POST", url, data=asked)), now)


def _keys(given: Login, found: Mapping[str, Any], token: str) -> Grant:
    try:
        until = datetime.fromisoformat(found["Expiration"]).timestamp()
        login = replace(given, key=found["AccessKeyId"], secret=found["SecretAccessKey"], token=found[token])
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("the cloud's answer holds no keys for the pod's service account") from error
    return Grant(login, until)


def _bearer(given: Login, found: Mapping[str, Any], now: float) -> Grant:
    try:
        return Grant(replace(given, bearer=str(found["access_token"])), now + float(found["expires_in"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("the cloud's answer holds no token for the pod's service account") from error


def _answer(method: str, url: str, **asked: Any) -> requests.Response:
    where = url.partition("?")[0]
    try:
        with requests.Session() as session:
            session.trust_env = False  # a token goes through nobody's proxy
            answer = session.request(method, url, timeout=_SECONDS, allow_redirects=False, **asked)
    except requests.RequestException as error:
        raise Retry(f"{where} grants no identity: {type(error).__name__}") from error
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Retry(f"{where} grants no identity: it answers {answer.status_code}")
    if answer.status_code != 200:
        raise Refused(f"{where} grants the pod's service account nothing: it answers {answer.status_code}")
    return answer


def _json(answer: requests.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _token(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise Refused(f"the token of the pod's service account cannot be read: {error.strerror}") from error
