"""Files behind a web server that takes `PUT`: WebDAV, an artifact store, a bucket's gateway.

Where the server knows conditions (RFC 9110), it is asked to write over nothing.
"""

from typing import Self

from service.adapters.sending import Sender
from service.ports.outcomes import Refused
from service.settings import Settings

LOGIN = "login-archive"  # the secret file
_KEPT = 412  # it is there already


class WebArchive:
    """One address, below which files are put."""

    def __init__(self, place: str, sender: Sender) -> None:
        self._place = place
        self._sender = sender

    @classmethod
    def open(cls, settings: Settings, place: str) -> Self:
        """The address, with the login that is in its secret file now."""
        return cls(place, Sender(place, LOGIN, settings.secret(LOGIN)))

    def put(self, name: str, content: bytes) -> None:
        status = self._sender.send("PUT", content, f"/{name}", **{"If-None-Match": "*"})
        if not (200 <= status < 300 or status == _KEPT):
            raise Refused(f"{self._place} answered {status} to PUT; it must take files below it")
