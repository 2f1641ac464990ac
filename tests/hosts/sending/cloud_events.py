"""Sends orders with the CloudEvents SDK, in both of its interfaces; prints the statuses that came back.

Started as: cloud_events.py URL SECRET TARGET. Each event has an id of its own, and is sent twice.
"""

import json
import sys
import urllib.error
import urllib.request

from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary as old_binary
from cloudevents.v1.conversion import to_structured as old_structured
from cloudevents.v1.http import CloudEvent as OldEvent

URL, SECRET, TARGET = sys.argv[1:4]
ORDER = {"command": "rollback", "target": TARGET, "reason": "nightly check"}


def event(number: str, data: object, **more: str) -> CloudEvent:
    """One of this SDK's, from a source whose name needs encoding in a header."""
    told = {"id": number, "source": "/models/café bar", "type": "com.example.order", **more}
    return CloudEvent(attributes=told, data=data)


def post(headers: dict[str, str], body: bytes) -> int:
    """Send it as it is: urllib would say that it is a form where no type is told."""
    asked = urllib.request.Request(URL, body, {"Authorization": f"Bearer {SECRET}", **headers})
    asked.add_unredirected_header("Content-Type", headers.get("content-type", ""))
    if "content-type" not in headers:
        asked.remove_header("Content-type")
    try:
        with urllib.request.build_opener(Plain).open(asked, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


class Plain(urllib.request.HTTPHandler):
    """Adds no type to a body."""

    def do_request_(self, request):
        typed = request.has_header("Content-type")
        request = super().do_request_(request)
        if not typed:
            request.remove_header("Content-type")
        return request

    http_request = do_request_


def messages() -> list[tuple[dict[str, str], bytes]]:
    """Each way in which the SDK puts an event into a request."""
    form = JSONFormat()
    typed = event("typed", ORDER, datacontenttype="application/json")
    found = [to_structured(event("structured", ORDER), form), to_binary(typed, form)]
    found.append(to_binary(event("untyped", ORDER), form))
    batch = [event("other", {"rows": 3}), event("batched", ORDER), event("batched", ORDER)]
    whole = [json.loads(to_structured(one, form).body) for one in batch]
    made = [(dict(one.headers), one.body) for one in found]
    made.append(({"content-type": "application/cloudevents-batch+json"}, json.dumps(whole).encode()))
    told = {"source": "/old", "type": "com.example.order"}
    made.append(old_structured(OldEvent({**told, "id": "base64"}, json.dumps(ORDER).encode())))
    made.append(old_binary(OldEvent({**told, "id": "old"}, ORDER)))
    return made


print(json.dumps([post(headers, body) for headers, body in messages() for _ in range(2)]))
