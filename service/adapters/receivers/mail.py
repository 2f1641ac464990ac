"""Mail: a notice to one person or list each, through a server that takes mail from us.

The login is the secret file `login-<source>`, a line `user:password`; without it there is none. A mail that
was taken, and whose worker died before that was stored, is sent again under the same Message-ID.
"""

from typing import Self

from policies.notices import Notice
from service.adapters.receivers import smtp
from service.adapters.receivers.letter import check, letter
from service.machine import installation
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings


class Mail:
    """One server, with who is told through it."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings, self._source = settings, source

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The mail server of that source."""
        return cls(settings, source)

    def check(self) -> str:
        server, wanted = smtp.at(self._source.url), self._source.subscription
        if not wanted.sender or not wanted.to:
            raise Refused(
                "write who mail comes from and goes to: --from segue@acme.example --to ml@acme.example"
            )
        for address in (wanted.sender, *(to for to, _ in wanted.to)):
            check(address)
        with smtp.session(server, self._login(), self._name()):
            return server.url

    def tell(self, notice: Notice, to: str = "") -> None:
        mail = letter(self._source, notice, to, installation.place(self._settings).web)
        with smtp.session(smtp.at(self._source.url), self._login(), self._name()) as session:
            session.sendmail(self._source.subscription.sender, [to], mail.as_bytes())

    def _name(self) -> str:
        """Who we say that we are; asking the network for this machine's name could take long."""
        return self._source.subscription.sender.rpartition("@")[2]

    def _login(self) -> tuple[str, str] | None:
        file = f"login-{self._source.name}"
        text = (self._settings.secret(file) or b"").decode("ascii", "replace")
        user, _, password = text.partition(":")
        if text and not (user and password and text.isascii() and text.isprintable()):
            raise Refused(f"the secret file {file} holds no login; write a line user:password into it")
        return (user, password) if text else None
