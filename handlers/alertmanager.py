"""Prometheus Alertmanager's webhook: an alert that fires holds a release, or takes it back.

Nothing is signed: the sender's `http_config` adds `Authorization`, and tries again for a while what is not
answered 2xx. Each alert's own `status` counts: a resolved one comes within a body that says `firing`, and the
common labels leave out what alerts do not share. The same alert is sent again and again while it fires; what
it is known by is its fingerprint and when it began. Labels say what it means here:

    segue_target: wine/production      or segue_model and segue_environment; left out, that is production
    segue_action: hold                 the default; or rollback

Resolved orders nothing: a hold stays until a person resumes. It is remembered until then: what begins while
an alert fires is held as well.
Source: Alertmanager 0.25, docs/configuration.md
(`webhook_config`) and `template.Data`, version 4 of the body.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from handlers import signing, strict_json
from handlers.errors import Malformed
from handlers.hints import Hint, OrderHint, OrderVerb, ResolvedHint
from handlers.signing import Headers, header

MOST_ALERTS = 5_000
MOST_NODES = 40 * MOST_ALERTS  # a group that fires all at once is when it counts
VERSION = "4"
ACTIONS: dict[str, OrderVerb] = {"hold": "pause", "rollback": "rollback"}


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery carries one of the secrets. There is no time to check."""
    del body, now
    signing.shared(secrets, header(headers, "Authorization"))


def delivery_id(headers: Headers, body: bytes) -> str:
    """There is none; a retry has the same body."""
    del headers
    return hashlib.sha256(body).hexdigest()


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """What the alerts that fire ask for, and which are over; those without a target are nobody's here."""
    del headers
    told = strict_json.load(body, MOST_NODES)
    alerts = told.get("alerts")
    if told.get("version") != VERSION:
        raise Malformed(f"`version` is not {VERSION!r}, the only form of the body that is known")
    if not isinstance(alerts, list) or len(alerts) > MOST_ALERTS:
        raise Malformed(f"`alerts` is missing or is not a list of at most {MOST_ALERTS}")
    return tuple(hint for alert in alerts if (hint := _hint(alert)) is not None)


def _hint(alert: Any) -> OrderHint | ResolvedHint | None:
    labels = alert.get("labels") if isinstance(alert, dict) else None
    if not isinstance(labels, dict):
        raise Malformed("an entry of `alerts` has no `labels`")
    status = strict_json.text(alert, "status")
    if status not in {"firing", "resolved"}:
        raise Malformed(f"an alert's `status` is {status[:40]!r}, wanted firing or resolved")
    target = _target(labels)
    if target is None:
        return None
    mark, began = strict_json.text(alert, "fingerprint", 100), strict_json.text(alert, "startsAt", 100)
    if status == "resolved":
        return ResolvedHint(target, mark, _time(began))
    # A word that is not known holds, too: a typing error must not let a bad version go on.
    verb = ACTIONS.get(str(labels.get("segue_action", "hold")), "pause")
    reason = _reason(alert, labels)
    return OrderHint(verb, target, reason, f"{mark}:{began}", _time(began), alert=mark)


def _target(labels: dict[str, Any]) -> str | None:
    """The target that the labels name, None where they name none."""
    if "segue_target" in labels:
        model, _, environment = strict_json.text(labels, "segue_target", 200).partition("/")
    elif "segue_model" in labels:
        model = strict_json.text(labels, "segue_model", 200)
        environment = str(labels.get("segue_environment", ""))[:200]
    else:
        return None
    return f"{model}/{environment or 'production'}"


def _reason(alert: dict[str, Any], labels: dict[str, Any]) -> str:
    notes = alert.get("annotations")
    summary = notes.get("summary") if isinstance(notes, dict) else None
    said = f": {summary[:300]}" if isinstance(summary, str) and summary else ""
    return f"alert {str(labels.get('alertname', 'without a name'))[:100]} fires{said}"


def _time(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Malformed("`startsAt` is not a time") from None
