"""Which webhook a server should have for us: compared with those that it has, the difference is sent.

Names are not unique on the server and secrets cannot be read back, so ours is found by its name or
its address, and is always written whole. The server goes on signing with an old secret for up to a
minute; the sweep finds what is refused until then.
"""

from typing import Any

from service.adapters.mlflow.rest import API, Broken, Rest
from service.ports.outcomes import Refused

EVENTS = [{"entity": "MODEL_VERSION_ALIAS", "action": action} for action in ("CREATED", "DELETED")]
_KEY = (
    "the server cannot use its webhooks (500), as it does where the key of their secrets is not set or"
    " was changed; set MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY for the MLflow server to one Fernet key that"
    " stays, delete what its database has in the table `webhooks`, and restart it"
)
_ADDRESS = (
    "the server does not send to {address}; set MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https (for http) and"
    " MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true (for private addresses) for the MLflow server and restart it"
)


def register(rest: Rest, name: str, address: str, secret: str) -> None:
    """See to it that the server has exactly one webhook of ours, with this address and secret.

    Raises `Refused` with the server's settings that would allow it.
    """
    wanted = {"name": name, "url": address, "events": EVENTS, "secret": secret, "status": "ACTIVE"}
    try:
        ours = [
            hook["webhook_id"]
            for hook in rest.pages(f"{API}/webhooks", "webhooks", {})
            if _ours(hook, wanted)
        ]
        if ours:
            rest.send("PATCH", f"/webhooks/{ours[0]}", wanted)
        else:
            rest.send("POST", "/webhooks", wanted)
        for surplus in ours[1:]:
            rest.send("DELETE", f"/webhooks/{surplus}", {})
    except Broken as error:
        raise Refused(_KEY) from error
    except Refused as error:
        if "Invalid webhook URL scheme" in str(error) or "non-public IP" in str(error):
            raise Refused(_ADDRESS.format(address=address)) from error
        raise


def leads_to(rest: Rest, address: str) -> bool:
    """Whether the server has an active webhook for our events with this address."""
    hooks = rest.pages(f"{API}/webhooks", "webhooks", {})
    try:
        return any(hook.get("url") == address and hook.get("status") == "ACTIVE" for hook in hooks)
    except Broken as error:
        raise Refused(_KEY) from error


def _ours(hook: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return any(hook.get(fact) == wanted[fact] for fact in ("name", "url"))
