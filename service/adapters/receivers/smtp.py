"""One mail handed to a server (RFC 5321): where to, by which certificate and login, within what time.

`smtps://` is TLS from the first byte (RFC 8314), `smtp://` by STARTTLS (RFC 3207), without which nothing is
sent: only on this machine may a server have neither. A login goes the same way as mail.
"""

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from service.adapters.chat.words import cut, plain
from service.adapters.reach import Chosen
from service.loopback import HERE
from service.ports.outcomes import PortError, Refused, Retry

PORTS = {"smtp": 587, "smtps": 465}
_SECONDS = 20.0  # to connect; between two pieces of an answer
_LONGEST = 60.0  # for all of it: a server that only trickles holds nobody longer
_HOST = re.compile(r"(?:(?!-)[A-Za-z0-9-]{1,63}(?:\.|\Z)){1,20}|[0-9A-Fa-f:.]+")
_LATER = 60.0  # a server that says "not now" means minutes (RFC 5321, 4.5.4.1), or greylists
_MOST_SAID = 200
_BAD_LOGIN = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over. `at` makes one of an address."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """As it is stored and shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def at(url: str) -> Server:
    """The server of an address such as smtp://mail.example:587. Raises `Refused` with what to write."""
    wanted = "write one such as smtp://mail.example:587 (STARTTLS) or smtps://mail.example:465"
    try:
        parts = urlsplit(url)
        port = PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError:
        raise Refused(f"that is no mail server's address; {wanted}") from None
    if "@" in parts.netloc:
        raise Refused("leave the login out; write user:password into the secret file login-<name>")
    plain_url = url.isascii() and url.isprintable() and not set(url) & {" ", "\\"}
    rest = parts.path.strip("/") or parts.query or parts.fragment
    usable = parts.scheme in PORTS and port and _HOST.fullmatch(parts.hostname or "")
    if not usable or rest or not plain_url:
        raise Refused(f"that is no mail server's address; {wanted}")
    return Server(parts.scheme, str(parts.hostname), port)


@contextmanager
def session(server: Server, login: tuple[str, str] | None, name: str) -> Iterator[smtplib.SMTP]:
    """A session in which mail may be handed over; `name` is ours. Raises `Retry` or `Refused`."""
    try:
        connection = _opened(server, name)
        try:
            _secured(connection, server)
            if login is not None:
                connection.login(*login)
            yield connection
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()  # whatever it answers: what it took, it took
        finally:
            connection.close()
    except PortError:
        raise
    except smtplib.SMTPException as error:
        raise _refusal(server, error) from None
    except ssl.SSLCertVerificationError as error:
        why = f"{error.verify_message}; SSL_CERT_FILE names authorities"
        raise Retry(f"{server.url} cannot be trusted: {why}", _LATER) from None
    except OSError as error:
        raise Retry(f"{server.url} does not answer: {type(error).__name__}", after=10) from None


class _Ending:
    """Ends a connection in time, by a handle of its own: TLS takes over the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._handle = connection.dup()
        self._timer = threading.Timer(_LONGEST, self._end)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """It has ended."""
        self._timer.cancel()
        self._handle.close()

    def _end(self) -> None:
        with suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)


class _Chosen(smtplib.SMTP):
    """Goes to addresses that are judged once, and no further inside than an operator may choose.

    After a time it ends, come what may: a limit between two bytes never ends a server that trickles.
    """

    _end: _Ending | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        failed: OSError = OSError(f"{host} has no address")
        for address in Chosen().addresses(host, port):
            try:
                made = socket.create_connection((address, port), timeout)
            except OSError as error:
                failed = error
            else:
                self._end = _Ending(made)
                return made
        raise failed

    def close(self) -> None:
        super().close()
        if self._end is not None:
            self._end.cancel()


class _Secure(smtplib.SMTP_SSL, _Chosen):
    """The same, with TLS from the first byte."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        try:
            made: socket.socket = super()._get_socket(host, port, timeout)
        except OSError:
            self.close()
            raise
        return made


def _opened(server: Server, name: str) -> smtplib.SMTP:
    if server.scheme == "smtps":
        return _Secure(server.host, server.port, name, timeout=_SECONDS, context=ssl.create_default_context())
    return _Chosen(server.host, server.port, name, timeout=_SECONDS)


def _secured(connection: smtplib.SMTP, server: Server) -> None:
    """Raises `Refused` where it would be said in the open."""
    connection.ehlo_or_helo_if_needed()
    if server.scheme == "smtps":
        return
    if connection.has_extn("starttls"):
        connection.starttls(context=ssl.create_default_context())
        connection.ehlo_or_helo_if_needed()
    elif server.host not in HERE:
        raise Refused(f"{server.url} offers no STARTTLS, and nothing is sent in the open; try smtps://")


def _refusal(server: Server, error: smtplib.SMTPException) -> PortError:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Refused(f"{server.url} takes no login as it is; leave the secret file login-<name> out")
    code, said = _answer(error)
    if code in _BAD_LOGIN:
        return Refused(
            f"{server.url} did not take the login ({code} {said}); mend the secret file login-<name>"
        )
    if 500 <= code < 600:
        return Refused(f"{server.url} does not take it: {code} {said}")
    return Retry(f"{server.url} did not take it now: {code or type(error).__name__} {said}".strip(), _LATER)


def _answer(error: smtplib.SMTPException) -> tuple[int, str]:
    """The status and the words that a server refused with; 0 where it said nothing."""
    found: Any = (0, b"")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        found = next(iter(error.recipients.values()), found)
    elif isinstance(error, smtplib.SMTPResponseException):
        found = (error.smtp_code, error.smtp_error)
    code, said = found
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return int(code), cut(plain(" ".join(text.split())), _MOST_SAID)
