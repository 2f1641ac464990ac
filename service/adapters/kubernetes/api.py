"""The one door to the Kubernetes API: its verbs, dicts in and out.

A 409 is `Taken`, `Stale` or `Owned`, a 410 is a list begun anew; all else that goes wrong is `Retry` or
`Refused`. How a request travels is `transport`'s.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal, Self
from urllib.parse import quote

from service.adapters.kubernetes import answers
from service.adapters.kubernetes.answers import Asked, Expired, Stale
from service.adapters.kubernetes.credentials import PLUGIN_SECONDS
from service.adapters.kubernetes.kinds import Kind
from service.adapters.kubernetes.transport import (
    READ_SECONDS,
    Call,
    Object,
    Objects,
    Query,
    Transport,
    as_object,
)
from service.ports.connections import Cluster
from service.ports.outcomes import Retry

MANAGER = "segue"  # the field manager of all our writes
_PAGE = 250  # objects
_BEGINNINGS = 3  # of one list
_PATCHES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
_APPLY = "application/apply-patch+yaml"
_REVIEW = Kind("authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False)


class Api:
    """One cluster's API server, asked in the name of one login. Threads may share it."""

    def __init__(self, server: Transport) -> None:
        self._server = server

    @classmethod
    def of(cls, cluster: Cluster, reading: float = READ_SECONDS, plugging: float = PLUGIN_SECONDS) -> Self:
        """The door to a connected cluster; `reading`: the longest silence in seconds within an answer;
        `plugging`: seconds for its credential plugin.

        Raises `Refused` for a connection that cannot be used.
        """
        return cls(Transport.of(cluster, reading, plugging))

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object; None where there is none. Raises `NoSuchKind` where there never can be."""
        asked = Asked(self._server.name, "get", kind, namespace, name)
        try:
            return self._server.json(Call(asked, "GET", kind.path(namespace, name)))
        except Stale:
            return None

    def list(self, kind: Kind, namespace: str | None, labels: str = "", fields: str = "") -> Objects:
        """All objects that both selectors fit; no namespace: of all namespaces."""
        return self._listed(kind, namespace, _selectors(labels, fields))[0]

    def create(self, kind: Kind, namespace: str | None, body: Object, *, dry_run: bool = False) -> Object:
        """The object as the server stored it. Raises `Taken` where one of that name exists."""
        asked = Asked(self._server.name, "create", kind, namespace, body.get("metadata", {}).get("name", ""))
        query = [("fieldManager", MANAGER), *([("dryRun", "All")] if dry_run else [])]
        return self._server.json(Call(asked, "POST", kind.path(namespace), query, body))

    def replace(self, kind: Kind, namespace: str | None, name: str, body: Object) -> Object:
        """Write the whole object over the one whose resourceVersion `body` carries, else `Stale`."""
        asked = Asked(self._server.name, "update", kind, namespace, name)
        if not body.get("metadata", {}).get("resourceVersion"):
            raise ValueError("a replacement needs the resourceVersion of what it replaces")
        return self._server.json(
            Call(asked, "PUT", kind.path(namespace, name), [("fieldManager", MANAGER)], body)
        )

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
        asked = Asked(self._server.name, "patch", kind, namespace, name)
        path = kind.path(namespace, name, subresource)
        return self._server.json(
            Call(asked, "PATCH", path, [("fieldManager", MANAGER)], patch, _PATCHES[kind_of_patch])
        )

    def apply(self, kind: Kind, namespace: str | None, body: Object) -> Object:
        """Server-side apply, never by force. Raises `Owned`, naming managers and fields."""
        name = body["metadata"]["name"]
        asked = Asked(self._server.name, "apply", kind, namespace, name)
        query = [("fieldManager", MANAGER), ("force", "false")]
        return self._server.json(Call(asked, "PATCH", kind.path(namespace, name), query, body, _APPLY))

    def delete(
        self, kind: Kind, namespace: str | None, name: str, grace: int | None = None, uid: str | None = None
    ) -> None:
        """Delete it, and in the background what it owns; one that is not there is fine.

        `grace` in seconds; with a `uid` only that very object, else `Stale`.
        """
        asked = Asked(self._server.name, "delete", kind, namespace, name)
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        status, headers, content = self._server.answer(
            Call(asked, "DELETE", kind.path(namespace, name), (), body)
        )
        if status != 404 and not 200 <= status < 300:
            raise self._server.error(asked, status, headers, content)

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
        query = [("tailLines", str(tail)), *([("container", container)] if container else [])]
        query += [("previous", "true")] if previous else []
        return self._log(namespace, pod, query)

    def timed_logs(self, namespace: str, pod: str, container: str, since: str, most: int) -> str:
        """What a container printed since that time (RFC 3339, by the second; "" is its beginning), each line
        behind its time; at most so many bytes."""
        query = [("container", container), ("timestamps", "true"), ("limitBytes", str(most))]
        query += [("sinceTime", since)] if since else []
        return self._log(namespace, pod, query)

    def _log(self, namespace: str, pod: str, query: Query) -> str:
        asked = Asked(self._server.name, "get", Kind("v1", "pods/log"), namespace, pod)
        path = Kind("v1", "pods").path(namespace, pod, "log")
        status, headers, content = self._server.answer(Call(asked, "GET", path, query))
        if status in {204, 400, 404}:  # on no node yet, not started yet, or gone
            return ""
        if status != 200:
            raise self._server.error(asked, status, headers, content)
        return content.decode("utf-8", "replace")

    def proxy(self, namespace: str, service: str, port: int, path: str) -> int | None:
        """The status with which a Service answers a GET, asked through the API server; None where it
        does not answer."""
        status, _, own = self._through(self._to("get", namespace, service, port, path))
        return None if own else status

    def proxied(  # noqa: PLR0917 (who is asked, and what)
        self,
        namespace: str,
        service: str,
        port: int,
        path: str,
        query: Query,
        headers: Mapping[str, str],
    ) -> bytes | None:
        """What a Service answers to a GET with 200, asked through the API server; None where it does not."""
        call = replace(self._to("get", namespace, service, port, path), query=query)
        status, content, own = self._through(replace(call, headers=tuple(headers.items())))
        return content if status == 200 and not own else None

    def posted(  # noqa: PLR0917 (the same, and what it is sent)
        self,
        namespace: str,
        service: str,
        port: int,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        content: bytes,
    ) -> int | None:
        """The status with which a Service answers a POST of these bytes; None where it does not answer."""
        call = replace(self._to("create", namespace, service, port, path), query=query)
        sent = replace(call, method="POST", body=content, form="application/octet-stream")
        status, _, own = self._through(replace(sent, headers=tuple(headers.items())))
        return None if own else status

    def _to(self, verb: str, namespace: str, service: str, port: int, path: str) -> Call:
        asked = Asked(self._server.name, verb, Kind("v1", "services/proxy"), namespace, service)
        place = Kind("v1", "services").path(namespace, f"{service}:{port}", "proxy")
        return Call(asked, "GET", place + "/" + quote(path.lstrip("/")), once=True)

    def _through(self, call: Call) -> tuple[int, bytes, bool]:
        """Status and content, and whether the API server itself said so. Raises where it may not be asked."""
        status, said, content = self._server.answer(call)
        own = bool(answers.status_of(content))
        if own and status in {401, 403}:
            raise self._server.error(call.asked, status, said, content)
        return status, content, own

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
        """Whether the API server would let Segue do this; a subresource as in `pods/log`.

        Like a refusal, a no counts that a ready server gave.
        """
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
        call = Call(Asked(self._server.name, "create", _REVIEW), "POST", _REVIEW.path(), (), body)
        if self._says_yes(call):
            return True
        asked = Asked(self._server.name, verb, kind, namespace, name)
        self._server.ready_after(f"the cluster {asked.cluster} does not let Segue {asked.words}")
        return self._says_yes(call)

    def _says_yes(self, review: Call) -> bool:
        return self._server.json(review).get("status", {}).get("allowed") is True

    def version(self) -> str:
        """The API server's version, such as v1.37.2."""
        asked = Asked(self._server.name, "get the version")
        return str(self._server.json(Call(asked, "GET", "/version")).get("gitVersion", ""))

    def _listed(self, kind: Kind, namespace: str | None, selectors: Query) -> tuple[Objects, str]:
        """All pages, and the version that they show; begun anew where a page is forgotten meanwhile."""
        asked = Asked(self._server.name, "list", kind, namespace)
        for _ in range(_BEGINNINGS):
            items: Objects = []
            token: Query = ()
            try:
                while True:
                    query = [("limit", str(_PAGE)), *selectors, *token]
                    page = self._server.json(Call(asked, "GET", kind.path(namespace), query))
                    items += page.get("items") or []
                    told = page.get("metadata", {})
                    if not told.get("continue"):
                        return items, told.get("resourceVersion", "")
                    token = [("continue", told["continue"])]
            except Expired:
                continue
        raise Retry(f"the cluster {self._server.name} forgets lists while they are read", self._server.wait())

    def _changes(
        self, kind: Kind, namespace: str | None, selectors: Query, version: str, seconds: float
    ) -> Iterator[tuple[str, Object]]:
        asked = Asked(self._server.name, "watch", kind, namespace)
        query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version)]
        query += [("timeoutSeconds", str(max(1, round(seconds)))), *selectors]
        call = Call(asked, "GET", kind.path(namespace), query, longer=seconds)
        for line in self._server.lines(call):
            change = as_object(line)
            if change is None or not isinstance(found := change.get("object"), dict):
                words = f"{asked.words}: the cluster {self._server.name} sent what is no change"
                raise Retry(words, self._server.wait())
            if change.get("type") == "ERROR":
                code = int(found.get("code", 500))
                raise answers.error(asked, code, json.dumps(found).encode(), self._server.wait())
            yield str(change.get("type")), found


def _selectors(labels: str, fields: str) -> list[tuple[str, str]]:
    wanted = (("labelSelector", labels), ("fieldSelector", fields))
    return [(name, said) for name, said in wanted if said]
