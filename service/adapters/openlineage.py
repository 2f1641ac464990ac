"""A server of the OpenLineage API, such as Marquez: run events by `POST`.

https://openlineage.io/apidocs/openapi/
"""

from typing import Self

from service.adapters.sending import Sender
from service.ports.outcomes import Refused
from service.settings import Settings

LOGIN = "login-openlineage"  # the secret file


class OpenLineage:
    """One server's address for events."""

    def __init__(self, address: str, sender: Sender) -> None:
        self._address = address
        self._sender = sender

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The one of the settings, with the login that is in its secret file now."""
        if settings.openlineage is None:
            raise Refused("no server takes lineage; name one: SEGUE_OPENLINEAGE")
        login = settings.secret(LOGIN)
        return cls(settings.openlineage, Sender(settings.openlineage, LOGIN, login))

    def send(self, event: bytes) -> None:
        status = self._sender.send("POST", event)
        if not 200 <= status < 300:
            raise Refused(f"{self._address} answered {status}; it must be where run events are posted")
