"""What a machine may ask for: one small object, the same in a signed hook and in a CloudEvent.

    {"command": "start", "model": "churn", "version": "7"}       or image: sha256:…, registry: NAME
    {"command": "rollback", "target": "wine/production", "reason": "…"}

`command` may be left out where `model` says what to start. Approving, promoting and resuming are for people.
"""

from typing import Any, get_args

from handlers import strict_json
from handlers.errors import Malformed
from handlers.hints import OrderHint, OrderVerb

VERBS: tuple[OrderVerb, ...] = get_args(OrderVerb)
ARGUMENTS = ("version", "image", "registry")
_KEYS = {"command", "model", "target", "reason", *ARGUMENTS}


def is_order(told: Any) -> bool:
    """Whether this is meant for us: an event bus brings much that is not."""
    return isinstance(told, dict) and ("command" in told or "model" in told)


def order(told: Any, key: str) -> OrderHint:
    """The order, under the name that its sender gave it. Raises `Malformed` saying what is wrong."""
    if not isinstance(told, dict):
        raise Malformed("it is not a JSON object")
    if unknown := sorted(told.keys() - _KEYS):
        raise Malformed(f"`{unknown[0][:40]}` is not known; known: {', '.join(sorted(_KEYS))}")
    verb = told.get("command", "start" if "model" in told else None)
    if verb not in VERBS:
        raise Malformed(f"`command` must be one of {', '.join(VERBS)}; everything else is for people")
    reason = strict_json.text(told, "reason") if "reason" in told else ""
    if verb == "start":
        given = tuple((name, strict_json.text(told, name, 200)) for name in ARGUMENTS if name in told)
        return OrderHint("start", strict_json.text(told, "model", 200), reason, key, None, given)
    return OrderHint(verb, _target(told), reason, key)


def _target(told: dict[str, Any]) -> str:
    model, _, environment = strict_json.text(told, "target", 200).partition("/")
    if not model:
        raise Malformed("`target` is not a target such as wine/production")
    return f"{model}/{environment or 'production'}"
