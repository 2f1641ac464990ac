"""Sends an order that the library of Standard Webhooks has signed; prints the statuses that came back.

Started as: signed_hook.py URL SECRET TARGET. It is sent twice, then changed, then signed with another secret.
"""

import base64
import json
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime

from standardwebhooks import Webhook

URL, SECRET, TARGET = sys.argv[1:4]
BODY = json.dumps({"command": "rollback", "target": TARGET, "reason": "nightly check"})
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 characters.").decode()


def post(secret: str, sent: str) -> int:
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("order-1", now, BODY)
    headers = {
        "webhook-id": "order-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        with urllib.request.urlopen(
            urllib.request.Request(URL, sent.encode(), headers), timeout=30
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


print(json.dumps([post(SECRET, BODY), post(SECRET, BODY), post(SECRET, BODY + " "), post(OTHER, BODY)]))
