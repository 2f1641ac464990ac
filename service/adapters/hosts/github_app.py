"""A GitHub App's login: tokens of its installation on one repository, each for an hour.

The App proves itself by a JSON Web Token (RS256) of at most ten minutes; the installation's token that it
gets for that is kept in memory only, until shortly before it ends. Source: docs.github.com, "Authenticating
as a GitHub App installation".
"""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any

from service import keys
from service.adapters.hosts.login import App, Login, basic
from service.adapters.hosts.rest import Missing, Rest
from service.ports.outcomes import Refused, Retry

_EARLY = 60.0  # clocks differ: GitHub refuses a token from its future
_LASTS = 540.0
_SPARE = 300.0  # before its end a token is replaced
_USER = "x-access-token"  # whom git calls the owner of an installation's token


class Installation:
    """The App where it is installed: at `/repos/owner/name`, or at an organisation, `/orgs/owner`."""

    def __init__(self, app: App, rest: Rest, where: str, clock: Callable[[], float] = time.time) -> None:
        """`rest` is asked with tokens of the App's own, whatever its usual login."""
        self._app = app
        self._rest = rest
        self._where = where
        self._path = where.removeprefix("/repos/").removeprefix("/orgs/")
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def login(self) -> Login:
        """Headers that hold whichever token is good at the time."""
        return Login(lambda: f"Bearer {self.token()}", lambda: basic(f"{_USER}:{self.token()}"))

    def token(self) -> str:
        """A token that is good for some minutes yet. Raises `Refused` or `Retry`."""
        with self._lock:
            if self._clock() > self._until - _SPARE:
                self._renew()
            return self._token

    def proof(self) -> str:
        """The header's value by which the App speaks for itself. Raises `Refused` where its key is none."""
        return f"Bearer {self._proof()}"

    def has_hook(self, address: str) -> bool:
        """Whether the App's own webhook, which tells of all its installations, is sent there."""
        try:
            return bool(self._rest.get("/app/hook/config", self.proof()).get("url") == address)
        except Missing:
            return False

    def _renew(self) -> None:
        proof = self.proof()
        try:
            found = self._rest.send("GET", f"{self._where}/installation", login=proof)
        except Missing as error:
            raise Refused(f"the GitHub App {self._app.name} is not installed on {self._path}") from error
        _, one, name = self._path.rpartition("/")
        wanted = {"repositories": [name]} if one else {}
        made = self._rest.send("POST", f"/app/installations/{found['id']}/access_tokens", wanted, login=proof)
        try:
            self._until = datetime.fromisoformat(made["expires_at"]).timestamp()
            self._token = str(made["token"])
        except (KeyError, TypeError, ValueError):
            raise Retry("GitHub answered an App with something else than a token", after=30) from None

    def _proof(self) -> str:
        now = int(self._clock())
        head = {"alg": "RS256", "typ": "JWT"}
        claims = {"iat": now - int(_EARLY), "exp": now + int(_LASTS), "iss": self._app.name}
        signed = f"{_part(head)}.{_part(claims)}"
        try:
            signature = keys.sign_rsa(self._app.key, signed.encode())
        except keys.KeyProblem as problem:
            raise Refused(f"the key of the GitHub App {self._app.name} cannot be used: {problem}") from None
        return f"{signed}.{_letters(signature)}"


def _part(told: dict[str, Any]) -> str:
    return _letters(json.dumps(told, separators=(",", ":")).encode())


def _letters(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
