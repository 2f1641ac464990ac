"""What a host's login is made of: the secret file `login-<source>`, in one of three forms.

    a token                     ghp_..., glpat-..., one of Gitea's
    user:password               the password may be a token
    app 12345                   a GitHub App's number, and below it
    -----BEGIN RSA PRIVATE KEY----- ...

A login is a header that goes to its host and nowhere else: never into a message, an argument or a file.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings

_APP = re.compile(rb"app +([A-Za-z0-9._-]{1,100})\s+(-----BEGIN .+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App: its number or client id, and its private key in PEM."""

    name: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Login:
    """Headers' values, made anew whenever they are needed: those of an App change each hour.

    `rest` for the API, `git` for fetching. "" where there is no login.
    """

    rest: Callable[[], str]
    git: Callable[[], str]


def read(secret: Callable[[], bytes | None], source: str, user: str) -> Login | App:
    """The login in the secret, which is read anew for each request: a new token counts at once. `user`
    is whom git calls the owner of a token. Raises `Refused`."""
    if (app := _APP.fullmatch(secret() or b"")) is not None:
        return App(app[1].decode(), app[2])
    _checked(secret(), source)

    def rest() -> str:
        text = _checked(secret(), source)
        return basic(text) if ":" in text else f"Bearer {text}" if text else ""

    def git() -> str:
        text = _checked(secret(), source)
        return basic(text if ":" in text else f"{user}:{text}") if text else ""

    return Login(rest, git)


def token(settings: Settings, source: Source, user: str, host: str) -> Login:
    """The login of a source at a host that has no Apps. Raises `Refused`."""
    name = source.keyring
    found = read(lambda: settings.secret(f"login-{name}"), name, user)
    if isinstance(found, App):
        raise Refused(f"login-{name} is a GitHub App's; {host} takes a token")
    return found


def _checked(secret: bytes | None, source: str) -> str:
    """The token, or `user:password`; "" for none."""
    text = (secret or b"").decode("ascii", "replace")
    if text and (not text.isascii() or not text.isprintable() or " " in text):
        raise Refused(
            f"the secret file login-{source} holds none of: a token; `user:password`; a line `app NUMBER`"
            " with a GitHub App's private key below it"
        )
    return text


def basic(pair: str) -> str:
    """The header's value for `user:password`."""
    return "Basic " + b64encode(pair.encode()).decode()
