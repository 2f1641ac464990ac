"""The one door to the Kubernetes API, and the one module that imports its client library.

Dicts in and out. Every call has a time limit; nothing is repeated here, no redirect is followed, no
proxy is taken from the environment. What goes wrong is `Retry` or `Refused`, or one of their kinds
in `answers`: a 409 is `Taken`, `Stale` or `Owned`, a 410 is a list begun anew.
"""

import copy
import json
import random
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse

from service.adapters.kubernetes import answers, kubeconfig
from service.adapters.kubernetes.answers import Asked, Expired, Stale
from service.adapters.kubernetes.credentials import Credential, Credentials
from service.adapters.kubernetes.kinds import Kind
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry

MANAGER = "segue"  # the field manager of all our writes
CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
ANSWER_SECONDS = 60.0  # for a whole answer, however slowly it comes
_LARGEST = 64 << 20  # bytes of one answer
_PAGE = 250  # objects
_BEGINNINGS = 3  # of one list
_LOGIN = ["BearerToken"]  # the library's name for the login of a configuration
_PIECE = 1 << 18
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_PATCHES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
_APPLY = "application/apply-patch+yaml"
_REVIEW = Kind("authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False)

Query = Sequence[tuple[str, str]]
Object = dict[str, Any]
Objects = list[Object]


@dataclass(frozen=True, slots=True)
class _Call:
    """One request; `longer`: by how many seconds the answer may be silent longer than others may."""

    asked: Asked
    method: str
    path: str
    query: Query = ()
    body: Object | Objects | None = None
    form: str = "application/json"
    longer: float = 0.0
    login: bool = True


class Api:
    """One cluster's API server, asked in the name of one login. Threads may share it."""

    def __init__(
        self,
        name: str,
        configuration: Configuration,
        credentials: Credentials | None,
        reading: float = READ_SECONDS,
    ) -> None:
        """`reading`: the longest silence in seconds within an answer."""
        self._name = name
        self._reading = reading
        self._configuration = configuration
        self._credentials = credentials
        self._lock = threading.Lock()
        self._client = ApiClient(configuration)
        self._certified: tuple[Credential, ApiClient] | None = None
        self._failures = 0  # calls in a row that the server could not answer
        self._refusals = 0  # calls in a row whose login it did not accept

    @classmethod
    def of(cls, cluster: Cluster, reading: float = READ_SECONDS) -> Self:
        """The door to a connected cluster. Raises `Refused` for a connection that cannot be used."""
        configuration = Configuration()
        credentials, proxy = None, None
        try:
            if cluster.kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)
            else:
                access = kubeconfig.read(Path(cluster.kubeconfig).expanduser(), cluster.context)
                credentials, proxy = Credentials.of(access), access.proxy
                config.load_kube_config_from_dict(
                    access.config, client_configuration=configuration, persist_config=False
                )
        except (config.ConfigException, ValueError, TypeError) as error:
            raise Refused(f"the cluster {cluster.name} cannot be reached: {error}") from error
        configuration.retries = False
        configuration.proxy, configuration.no_proxy = proxy, ""
        return cls(cluster.name, configuration, credentials, reading)

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object; None where there is none. Raises `NoSuchKind` where there never can be."""
        asked = Asked(self._name, "get", kind, namespace, name)
        try:
            return self._json(_Call(asked, "GET", kind.path(namespace, name)))
        except Stale:
            return None

    def list(self, kind: Kind, namespace: str | None, labels: str = "", fields: str = "") -> Objects:
        """All objects that both selectors fit; no namespace: of all namespaces."""
        return self._listed(kind, namespace, _selectors(labels, fields))[0]

    def create(self, kind: Kind, namespace: str | None, body: Object, *, dry_run: bool = False) -> Object:
        """The object as the server stored it. Raises `Taken` where one of that name exists."""
        asked = Asked(self._name, "create", kind, namespace, body.get("metadata", {}).get("name", ""))
        query = [("fieldManager", MANAGER), *([("dryRun", "All")] if dry_run else [])]
        return self._json(_Call(asked, "POST", kind.path(namespace), query, body))

    def replace(self, kind: Kind, namespace: str | None, name: str, body: Object) -> Object:
        """Write the whole object over the one whose resourceVersion `body` carries, else `Stale`."""
        asked = Asked(self._name, "update", kind, namespace, name)
        if not body.get("metadata", {}).get("resourceVersion"):
            raise ValueError("a replacement needs the resourceVersion of what it replaces")
        return self._json(_Call(asked, "PUT", kind.path(namespace, name), [("fieldManager", MANAGER)], body))

    def patch(  # noqa: PLR0917 (the shape of the call is the API's)
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        patch: Object | Objects,
        kind_of_patch: Literal["merge", "json"] = "merge",
        subresource: str = "",
    ) -> Object:
        """Change what the patch names. Raises `Stale` where the object is gone, or is not the one whose
        resourceVersion the patch carries."""
        asked = Asked(self._name, "patch", kind, namespace, name)
        path = kind.path(namespace, name, subresource)
        return self._json(
            _Call(asked, "PATCH", path, [("fieldManager", MANAGER)], patch, _PATCHES[kind_of_patch])
        )

    def apply(self, kind: Kind, namespace: str | None, body: Object) -> Object:
        """Server-side apply, never by force. Raises `Owned`, naming managers and fields."""
        name = body["metadata"]["name"]
        asked = Asked(self._name, "apply", kind, namespace, name)
        query = [("fieldManager", MANAGER), ("force", "false")]
        return self._json(_Call(asked, "PATCH", kind.path(namespace, name), query, body, _APPLY))

    def delete(
        self, kind: Kind, namespace: str | None, name: str, grace: int | None = None, uid: str | None = None
    ) -> None:
        """Delete it, and in the background what it owns; one that is not there is fine.

        `grace` in seconds; with a `uid` only that very object, else `Stale`.
        """
        asked = Asked(self._name, "delete", kind, namespace, name)
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        status, headers, content = self._answer(_Call(asked, "DELETE", kind.path(namespace, name), (), body))
        if status != 404 and not 200 <= status < 300:
            raise self._error(asked, status, headers, content)

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        tail: int = 200,
        *,
        previous: bool = False,
    ) -> str:
        """The end of what a container (or its incarnation before) printed; empty where that is not known."""
        asked = Asked(self._name, "get", Kind("v1", "pods/log"), namespace, pod)
        query = [("tailLines", str(tail)), *([("container", container)] if container else [])]
        query += [("previous", "true")] if previous else []
        path = Kind("v1", "pods").path(namespace, pod, "log")
        status, headers, content = self._answer(_Call(asked, "GET", path, query))
        if status in {400, 404}:  # not started yet, or gone
            return ""
        if status != 200:
            raise self._error(asked, status, headers, content)
        return content.decode("utf-8", "replace")

    def proxy(self, namespace: str, service: str, port: int, path: str) -> int | None:
        """The status with which a Service answers a GET, asked through the API server; None where it
        does not answer."""
        asked = Asked(self._name, "get", Kind("v1", "services/proxy"), namespace, service)
        place = Kind("v1", "services").path(namespace, f"{service}:{port}", "proxy")
        status, headers, content = self._answer(_Call(asked, "GET", place + "/" + quote(path.lstrip("/"))))
        told = answers.status_of(content)
        if told and status in {401, 403}:
            raise self._error(asked, status, headers, content)
        return None if told else status

    def watch(
        self, kind: Kind, namespace: str | None, labels: str = "", fields: str = "", seconds: float = 60.0
    ) -> Iterator[tuple[str, Objects]]:
        """First ("ALL", every object), then ("SET", [one]) and ("GONE", [one]) as they change.

        Another ("ALL", ...) comes where the server has forgotten the place to go on from. Ends by
        itself after about so many seconds. Raises `Retry` where the server breaks off.
        """
        until = time.monotonic() + seconds
        version, selectors = "", _selectors(labels, fields)
        while (left := until - time.monotonic()) > 0:
            if not version:
                items, version = self._listed(kind, namespace, selectors)
                yield "ALL", items
            try:
                for what, found in self._changes(kind, namespace, selectors, version, left):
                    version = found["metadata"]["resourceVersion"]
                    if what != "BOOKMARK":
                        yield "GONE" if what == "DELETED" else "SET", [found]
            except Expired:
                version = ""

    def allowed(self, verb: str, kind: Kind, namespace: str | None, name: str = "") -> bool:
        """Whether the API server would let Segue do this; a subresource as in `pods/log`."""
        plural, _, subresource = kind.plural.partition("/")
        attributes = {
            "verb": verb,
            "group": kind.group,
            "resource": plural,
            "subresource": subresource,
            "namespace": namespace or "",
            "name": name,
        }
        body = {
            "apiVersion": _REVIEW.api_version,
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        found = self._json(_Call(Asked(self._name, "create", _REVIEW), "POST", _REVIEW.path(), (), body))
        return found.get("status", {}).get("allowed") is True

    def version(self) -> str:
        """The API server's version, such as v1.37.2."""
        return str(
            self._json(_Call(Asked(self._name, "get the version"), "GET", "/version")).get("gitVersion", "")
        )

    # --- lists and watches ----------------------------------------------------------------------

    def _listed(self, kind: Kind, namespace: str | None, selectors: Query) -> tuple[Objects, str]:
        """All pages, and the version that they show; begun anew where a page is forgotten meanwhile."""
        asked = Asked(self._name, "list", kind, namespace)
        for _ in range(_BEGINNINGS):
            items: Objects = []
            token: Query = ()
            try:
                while True:
                    query = [("limit", str(_PAGE)), *selectors, *token]
                    page = self._json(_Call(asked, "GET", kind.path(namespace), query))
                    items += page.get("items") or []
                    told = page.get("metadata", {})
                    if not told.get("continue"):
                        return items, told.get("resourceVersion", "")
                    token = [("continue", told["continue"])]
            except Expired:
                continue
        raise Retry(f"the cluster {self._name} forgets lists while they are read", self._wait())

    def _changes(
        self, kind: Kind, namespace: str | None, selectors: Query, version: str, seconds: float
    ) -> Iterator[tuple[str, Object]]:
        asked = Asked(self._name, "watch", kind, namespace)
        query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version)]
        query += [("timeoutSeconds", str(max(1, round(seconds)))), *selectors]
        call = _Call(asked, "GET", kind.path(namespace), query, longer=seconds)
        answer, _ = self._open(call)
        with closing(answer.response):
            if answer.status != 200:
                raise self._error(asked, answer.status, answer.headers, self._content(asked, answer))
            for line in self._lines(asked, answer):
                change = _object(line)
                if change is None or not isinstance(found := change.get("object"), dict):
                    raise Retry(
                        f"{asked.words}: the cluster {self._name} sent what is no change", self._wait()
                    )
                if change.get("type") == "ERROR":
                    code = int(found.get("code", 500))
                    raise answers.error(asked, code, json.dumps(found).encode(), self._wait())
                yield str(change.get("type")), found

    def _lines(self, asked: Asked, answer: RESTResponse) -> Iterator[bytes]:
        rest = b""
        try:
            for piece in answer.response.stream(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line for line in lines if line)
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(asked, error) from error

    # --- one call -------------------------------------------------------------------------------

    def _json(self, call: _Call) -> Object:
        status, headers, content = self._answer(call)
        if not 200 <= status < 300:
            raise self._error(call.asked, status, headers, content)
        found = _object(content)
        if found is None:
            raise Retry(f"the cluster {self._name} answered something else than JSON", self._wait())
        return found

    def _answer(self, call: _Call) -> tuple[int, Mapping[str, str], bytes]:
        answer, credential = self._open(call)
        with closing(answer.response):
            content = self._content(call.asked, answer)
        if answer.status == 401 and self._credentials is not None and credential is not None:
            self._credentials.refused(credential)
        if call.login:
            self._refusals = self._refusals + 1 if answer.status == 401 else 0
        if answer.status < 500 and answer.status != 429:
            self._failures = 0
        return answer.status, answer.headers, content

    def _open(self, call: _Call) -> tuple[RESTResponse, Credential | None]:
        credential = self._credentials.current() if self._credentials and call.login else None
        client = self._client_of(credential)
        headers = {"Accept": "application/json", "Content-Type": call.form}
        if credential is not None and credential.token:
            headers["Authorization"] = f"Bearer {credential.token}"
        try:
            sent = client.param_serialize(
                call.method,
                call.path,
                query_params=list(call.query),
                header_params=headers,
                body=call.body,
                auth_settings=_LOGIN if call.login else [],
            )
            limits = (CONNECT_SECONDS, self._reading + call.longer)
            answer = client.call_api(*sent, _request_timeout=limits)
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            raise self._broken(call.asked, error) from error
        except config.ConfigException as error:  # the pod's own token
            raise Retry(f"the cluster {self._name}: {error}", self._wait()) from error
        return answer, credential

    def _client_of(self, credential: Credential | None) -> ApiClient:
        """The client, or for a certificate that a plugin gave one of its own, while it is in use."""
        if credential is None or not credential.certificate:
            return self._client
        with self._lock:
            if self._certified is None or self._certified[0] is not credential:
                folder = Path(tempfile.mkdtemp(prefix="segue-"))  # TLS takes a key only from a file
                certificate, key = folder / "certificate", folder / "key"
                certificate.write_text(credential.certificate)
                key.write_text(credential.key or "")
                changed = copy.deepcopy(self._configuration)
                changed.cert_file, changed.key_file = str(certificate), str(key)
                self._certified = (credential, ApiClient(changed))
                weakref.finalize(self._certified[1], shutil.rmtree, folder, ignore_errors=True)
            return self._certified[1]

    def _content(self, asked: Asked, answer: RESTResponse) -> bytes:
        until = time.monotonic() + ANSWER_SECONDS
        content = bytearray()
        try:
            for piece in answer.response.stream(_PIECE):
                content += piece
                if len(content) > _LARGEST or time.monotonic() > until:
                    raise Retry(
                        f"the cluster {self._name} answers without an end: {asked.words}", self._wait()
                    )
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(asked, error) from error
        return bytes(content)

    def _error(
        self, asked: Asked, status: int, headers: Mapping[str, str], content: bytes
    ) -> Refused | Retry:
        """What the answer means, where it can be believed."""
        wanted = answers.waiting(headers, content)
        busy = status == 429 or status >= 500
        found = answers.error(asked, status, content, (wanted or 0.0) + (self._wait() if busy else 0.0))
        if status in {401, 403, 404} and isinstance(found, Refused) and not self._settled(status):
            return Retry(f"{found} (it has just started; it may say otherwise soon)", self._wait())
        return found

    def _settled(self, status: int) -> bool:
        """Whether a refusal can be believed: a server that has just started knows neither all rights
        nor all kinds, and a login from a plugin or a file may be renewed by now."""
        if status == 401 and self._credentials is not None and self._refusals < 2:
            return False
        asked = Asked(self._name, "get", None)
        try:
            return self._answer(_Call(asked, "GET", "/readyz", login=False))[0] in {200, 401, 403, 404}
        except Retry:
            return False

    def _broken(self, asked: Asked, error: Exception) -> Retry:
        why = type(error).__name__
        if isinstance(error, ApiException):  # the library's own form of a TLS failure
            why = str(error.reason).replace("\n", ": ")[:300]
        return Retry(f"the cluster {self._name} does not answer to {asked.words}: {why}", self._wait())

    def _wait(self) -> float:
        """Seconds until a next try: full jitter, longer with each failure in a row."""
        self._failures += 1
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures, 10))
        return random.uniform(0.1, longest)  # noqa: S311 (spreads tries, hides nothing)


def _selectors(labels: str, fields: str) -> list[tuple[str, str]]:
    wanted = (("labelSelector", labels), ("fieldSelector", fields))
    return [(name, said) for name, said in wanted if said]


def _object(content: bytes) -> Object | None:
    """The JSON object; None where it is something else."""
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
