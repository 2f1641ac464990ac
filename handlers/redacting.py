"""What is kept of what a chat sends: everything but what speaks for somebody who has it.

A `token` is what deliveries are known by, a `response_url` lets anybody answer in the chat's name, and a
`trigger_id` opens dialogs. Of the last a digest is kept, because it tells two same commands apart.
"""

import hashlib
import json
from typing import Any

SECRETS = frozenset({"token", "response_url", "response_urls", "trigger_id"})


def bare(told: dict[str, Any]) -> dict[str, Any]:
    """The fields without their secrets."""
    kept = {key: value for key, value in told.items() if key not in SECRETS}
    trigger = told.get("trigger_id")
    if isinstance(trigger, str) and trigger:
        kept["trigger"] = hashlib.sha256(trigger.encode()).hexdigest()[:32]
    return kept


def written(told: dict[str, Any]) -> bytes:
    """The same as JSON, one text for the same fields."""
    return json.dumps(bare(told), sort_keys=True).encode()
