"""MLflow's registry webhooks.

Signed over `<delivery id>.<timestamp>.<body>` with the secret as raw UTF-8 (not Standard Webhooks'
header names, nor its base64 key). A retry keeps id, timestamp and signature, so the window must be
longer than the sender's retries (4 times 30 s and backoff). The body names no person and no value
before; deliveries can be lost, overtaken, and labelled with another workspace: hints, all of them.
Source: MLflow 3.17, `mlflow/webhooks/delivery.py` and `entities/webhook.py`.
"""

from typing import Any

from handlers import signing, strict_json
from handlers.errors import Malformed
from handlers.hints import AliasHint, Hint, VersionHint
from handlers.signing import Headers, header

WINDOW = 900.0
EXAMPLE = "example_model"  # what `POST /webhooks/<id>/test` names; nothing else marks it as a test
OUR_TAGS = "segue."


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery was signed with one of the secrets, not long ago."""
    stamp = signing.timestamp(header(headers, "X-MLflow-Timestamp"), now, WINDOW)
    message = f"{delivery_id(headers, body)}.{stamp}.".encode() + body
    signing.base64_hmac(secrets, message, header(headers, "X-MLflow-Signature"))


def delivery_id(headers: Headers, _body: bytes) -> str:
    """The sender's id: the same on each retry."""
    return signing.identity(headers, "X-MLflow-Delivery-Id")


def parse(_headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """What the delivery hints at; () for what concerns nothing here."""
    told = strict_json.load(body)
    data = told.get("data")
    if not isinstance(data, dict):
        raise Malformed("`data` is missing or is not an object")
    return _hints(strict_json.text(told, "entity"), strict_json.text(told, "action"), data)


def nothing(_headers: Headers, body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    told = strict_json.load(body)
    data = told.get("data")
    if isinstance(data, dict) and data.get("name") == EXAMPLE:
        return "MLflow's own try of the webhook"
    entity, action = strict_json.text(told, "entity"), strict_json.text(told, "action")
    if entity == "model_version_tag":
        return "a tag that Segue wrote"
    return f"{entity[:40]}.{action[:40]} starts nothing: an alias that moves does"


def _hints(entity: str, action: str, data: dict[str, Any]) -> tuple[Hint, ...]:
    if entity not in {"model_version_alias", "model_version", "model_version_tag"}:
        return ()
    model = strict_json.text(data, "name")
    if model == EXAMPLE:
        return ()
    match entity, action:
        case "model_version_alias", _:
            return (AliasHint(model, strict_json.text(data, "alias")),)
        case "model_version", "created":
            return (VersionHint(model, strict_json.text(data, "version")),)
        case "model_version_tag", _:
            key = strict_json.text(data, "key")
            return (
                () if key.startswith(OUR_TAGS) else (VersionHint(model, strict_json.text(data, "version")),)
            )
        case _:
            return ()
