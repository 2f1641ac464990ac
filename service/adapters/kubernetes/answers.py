"""What an API server's refusals mean: from a status and its body to `Retry` or `Refused`.

    Refused
    ├── Taken       an object of that name exists
    ├── Owned       somebody else set these fields by server-side apply
    └── NoSuchKind  the cluster does not know this kind of object
    Retry
    ├── Stale       the object changed, or went, after it was read; read it again
    └── Expired     a list or watch began too long ago; begin anew

Contract: https://kubernetes.io/docs/reference/using-api/api-concepts/ and the `Status` object of
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from service.adapters.kubernetes.kinds import Kind
from service.ports.outcomes import Refused, Retry

LONGEST_WAIT = 300.0  # seconds, whatever a Retry-After says
_LONGEST_TEXT = 600


class Taken(Refused):
    """An object of that name exists already."""


class Owned(Refused):
    """Another manager set fields that this apply would change."""


class NoSuchKind(Refused):
    """The cluster has no such kind of object: its definition (CRD) is not installed."""


class Stale(Retry):
    """The object is not any more what was read."""


class Expired(Retry):
    """What a list or watch wants to go on from is forgotten."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of which cluster, for the words of a refusal."""

    cluster: str
    verb: str  # get, list, watch, create, update, patch, delete, apply
    kind: Kind | None = None
    namespace: str | None = None
    name: str = ""

    @property
    def words(self) -> str:
        """Such as: patch deployments.apps shop/churn."""
        place = "/".join(part for part in (self.namespace, self.name) if part)
        kind = self.kind.title if self.kind else ""
        return " ".join(part for part in (self.verb, kind, place) if part)


def error(asked: Asked, status: int, content: bytes, wait: float) -> Refused | Retry:
    """What an answer that is no success means; `wait`: seconds before a next try makes sense."""
    told = status_of(content)
    said = _message(told, content)
    where = f"the cluster {asked.cluster}"
    match status:
        case 401:
            return Refused(f"{where} does not accept Segue's login: {said}; connect the cluster anew")
        case 403:
            return _forbidden(asked, said)
        case 404:
            return _missing(asked, told)
        case 409:
            return _conflict(asked, told, said)
        case 410:
            return Expired(f"{where} forgot the version from which to {asked.words}")
        case 429:
            return Retry(f"{where} has no time to {asked.words} (429)", wait)
        case _ if 300 <= status < 400:
            return Refused(f"{where} redirects ({status}); connect the address that answers by itself")
        case _ if status in {408, 425} or status >= 500:
            return Retry(f"{where} could not {asked.words} ({status}): {said}", wait)
        case _:
            return Refused(f"{where} refuses to {asked.words} ({status}): {said}")


def refusal(asked: Asked, status: int, content: bytes, *, through: bool = False) -> str | None:
    """The words of a refusal that a server gives as well that has just started: it knows neither all logins
    and rights nor all kinds of objects. None for any other answer; `through`: and for what a Service said.
    """
    if status not in {401, 403, 404} or (through and not status_of(content)):
        return None
    found = error(asked, status, content, 0.0)
    return str(found) if isinstance(found, Refused) else None


def status_of(content: bytes) -> dict[str, Any]:
    """The `Status` object of an answer; empty where the answer is something else."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}


def waiting(headers: Mapping[str, str], content: bytes, now: datetime | None = None) -> float | None:
    """Seconds that the server asks us to wait; None where it says nothing usable."""
    header = headers.get("Retry-After", "")
    seconds: Any = status_of(content).get("details", {}).get("retryAfterSeconds")
    if header.isascii() and header.isdigit():
        seconds = int(header)
    elif header:
        try:
            seconds = (parsedate_to_datetime(header) - (now or datetime.now(UTC))).total_seconds()
        except (TypeError, ValueError):
            seconds = None
    if isinstance(seconds, int | float) and seconds >= 0:
        return min(float(seconds), LONGEST_WAIT)
    return None


def _message(told: dict[str, Any], content: bytes) -> str:
    text = str(told.get("message") or content.decode("utf-8", "replace").strip() or "it does not say why")
    return text[:_LONGEST_TEXT]


def _forbidden(asked: Asked, said: str) -> Refused:
    where = f"the cluster {asked.cluster}"
    if "exceeded quota" in said:
        return Refused(f"{where} has no room left for it: {said}; raise the quota or free some of it")
    if "cannot " not in said:  # an admission plugin's no, such as pod security
        return Refused(f"{where} does not allow to {asked.words}: {said}")
    return Refused(f"{where} does not let Segue {asked.words}: {said}; give its account that right")


def _missing(asked: Asked, told: dict[str, Any]) -> Refused | Retry:
    where, details = f"the cluster {asked.cluster}", told.get("details", {})
    if details.get("kind") == "namespaces" and asked.kind is not None and asked.kind.namespaced:
        return Refused(
            f"{where} has no namespace {details.get('name')!r}; make it: kubectl create namespace"
            f" {details.get('name')}"
        )
    if details.get("name"):
        return Stale(f"{where} could not {asked.words}: it is gone meanwhile")
    kind = asked.kind.title if asked.kind else "such path"
    return NoSuchKind(f"{where} knows no {kind}; install its definition (CRD), then try again")


def _conflict(asked: Asked, told: dict[str, Any], said: str) -> Refused | Retry:
    where = f"the cluster {asked.cluster}"
    if told.get("reason") == "AlreadyExists":
        return Taken(f"{where} has {asked.words.partition(' ')[2]} already")
    causes = told.get("details", {}).get("causes", [])
    owned = [cause for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if owned:
        fields = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in owned)
        return Owned(f"{where} lets Segue not {asked.words}, others own some of its fields: {fields}")
    return Stale(f"{where} could not {asked.words}: {said}", after=0.2)
