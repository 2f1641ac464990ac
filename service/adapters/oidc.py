"""OpenID Connect: the code flow with PKCE (Core 1.0, RFC 7636, RFC 9207), logout there and by back-channel,
and nothing else of it.

The one home of PyJWT. What a provider may decide is its endpoints and its keys, never how its signature is
checked: algorithms are ours, all of them asymmetric.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt
import requests

from service.adapters import oidc_logout
from service.adapters.reach import Elsewhere, Own
from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.adapters.understood import understood
from service.loopback import leads_here
from service.ports.identity import Attempt, Ended, Identity
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"})
CLOCKS = 60.0  # seconds that its clock and ours may differ
KEPT_SECONDS = 600.0  # for which its addresses and keys are not asked for again
KEYS_SECONDS = 10.0  # between two looks for a key that is not known
MOST_BYTES, PIECE = 1 << 20, 1 << 16
MOST_GROUPS, MOST_NAME, MOST_TOKEN = 500, 200, 16_384
TIMEOUT = (3.0, 10.0)
SECRET = "oidc-secret"  # noqa: S105  the file's name


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider published: its addresses, its keys by id, and when they were read."""

    about: Mapping[str, Any]
    keys: tuple[Mapping[str, Any], ...]
    at: float


@understood
class OidcProvider:
    """One provider, of which this installation is a client."""

    def __init__(
        self, settings: Settings, issuer: str, client: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self.url, self._client, self._clock = settings, issuer, client, clock
        here = leads_here(issuer)
        own = Own()
        self._own = steady(requests.Session(), reach=own)
        self._others = steady(requests.Session(), reach=Elsewhere(own))
        for session in (self._own, self._others):
            session.trust_env = not here
            session.auth = _no_login  # no .netrc file has a say here
        self._known: _Known | None = None

    @classmethod
    def open(cls, settings: Settings) -> "OidcProvider":
        """The provider that the settings name."""
        if settings.oidc_issuer is None or settings.oidc_client is None:
            raise Refused("no provider of identities is set up: SEGUE_OIDC_ISSUER and SEGUE_OIDC_CLIENT")
        return cls(settings, settings.oidc_issuer, settings.oidc_client)

    def address(self, attempt: Attempt) -> str:
        """Its login, for a code that only this attempt can use."""
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": attempt.back,
            "scope": self._settings.oidc_scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return _with(self._endpoint(self._published(), "authorization_endpoint"), asked)

    def identify(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity:
        """By the code's id token. Without a claim of groups in it the provider is asked who it is."""
        known = self._published()
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise Refused("the answer belongs to another login")
        self._check_issuer(known, answer)
        if "error" in answer or not answer.get("code"):
            raise Refused(f"the provider did not log you in: {_word(answer.get('error', 'no code'))}")
        told = self._redeemed(known, attempt, answer["code"])
        claims = self._claims(str(told.get("id_token", "")), attempt)
        if self._settings.oidc_groups not in claims and "userinfo_endpoint" in known.about:
            claims = {**self._userinfo(known, told, claims["sub"]), **claims}
        return self._identity(claims)

    def leaving(self, back: str) -> str | None:
        """RP-Initiated Logout 1.0, by the client's name: no id token is kept, so the provider asks first."""
        known = self._published()
        if known.about.get("end_session_endpoint") is None:
            return None
        asked = {"client_id": self._client, "post_logout_redirect_uri": back}
        return _with(self._endpoint(known, "end_session_endpoint"), asked)

    def ended(self, token: str) -> Ended:
        """By a logout token, which must be signed, for this client and fresh, as an id token is."""
        header, claims = self._signed(token, ["iss", "aud", "iat", "exp", "jti", "events"])
        return oidc_logout.ended(header, claims)

    # --- what it publishes ------------------------------------------------------------------

    def _published(self) -> _Known:
        if self._known is None or self._clock() - self._known.at > KEPT_SECONDS:
            about = self._json(self._own, "GET", f"{self.url}/.well-known/openid-configuration")
            if str(about.get("issuer", "")).rstrip("/") != self.url:
                raise Refused(f"{self.url} says that it is another provider")
            self._known = self._with_keys(about)
        return self._known

    def _with_keys(self, about: Mapping[str, Any]) -> _Known:
        known = _Known(about, (), self._clock())
        keys = self._json(self._others, "GET", self._endpoint(known, "jwks_uri")).get("keys", [])
        return _Known(about, tuple(key for key in keys if isinstance(key, dict)), self._clock())

    def _endpoint(self, known: _Known, name: str) -> str:
        """One of its addresses: by HTTPS, but where the provider itself is on this machine without."""
        found = str(known.about.get(name, ""))
        if urlsplit(found).scheme not in {"https", urlsplit(self.url).scheme}:
            raise Refused(f"the provider's {name} is no address that can be trusted")
        return found

    def _key(self, known: _Known, kid: str | None, algorithm: str) -> jwt.PyJWK:
        fitting = [
            key for key in known.keys if key.get("use", "sig") == "sig" and kid in (None, key.get("kid"))
        ]
        if len(fitting) == 1:
            return jwt.PyJWK(dict(fitting[0]), algorithm)
        if self._clock() - known.at < KEYS_SECONDS:  # a forged token must not make us ask again and again
            raise Refused("the provider's answer is signed by a key that it does not publish")
        self._known = self._with_keys(known.about)
        return self._key(self._known, kid, algorithm)

    # --- one login --------------------------------------------------------------------------

    def _check_issuer(self, known: _Known, answer: Mapping[str, str]) -> None:
        """RFC 9207: where the provider names itself in its answer, it must be this one."""
        promised = known.about.get("authorization_response_iss_parameter_supported") is True
        if answer.get("iss", None if promised else known.about["issuer"]) != known.about["issuer"]:
            raise Refused("the answer is another provider's")

    def _redeemed(self, known: _Known, attempt: Attempt, code: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.back,
            "client_id": self._client,
            "code_verifier": attempt.verifier,
        }
        secret = (self._settings.secret(SECRET) or b"").decode()
        ways = known.about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        headers = {}
        if secret and "client_secret_basic" in ways:
            pair = f"{quote(self._client, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif secret:
            form["client_secret"] = secret
        where = self._endpoint(known, "token_endpoint")
        return self._json(self._others, "POST", where, data=form, headers=headers)

    def _signed(self, token: str, required: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a token that the provider signed, for this client and now."""
        if len(token) > MOST_TOKEN:
            raise Refused(f"the provider's token is longer than {MOST_TOKEN} characters")
        known = self._published()
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            if algorithm not in ALGORITHMS:
                raise Refused("the provider's answer is signed in a way that is not taken")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(known, header.get("kid"), algorithm),
                algorithms=[algorithm],
                audience=self._client,
                issuer=known.about["issuer"],
                leeway=CLOCKS,
                options={"require": list(required)},
            )
        except jwt.PyJWTError as wrong:
            raise Refused(f"the provider's answer does not hold: {_word(str(wrong))}") from wrong
        return header, claims

    def _claims(self, token: str, attempt: Attempt) -> dict[str, Any]:
        _, claims = self._signed(token, ["iss", "sub", "aud", "exp", "iat"])
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), attempt.nonce.encode()):
            raise Refused("the provider's answer is for another login")
        # One for several clients must say which of them asked (Core 3.1.3.7).
        alone = claims["aud"] in (self._client, [self._client])
        if claims.get("azp", self._client if alone else None) != self._client:
            raise Refused("the provider's answer is for another client")
        return claims

    def _userinfo(self, known: _Known, told: Mapping[str, Any], subject: str) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {told.get('access_token', '')}"}
        found = self._json(self._others, "GET", self._endpoint(known, "userinfo_endpoint"), headers=headers)
        if found.get("sub") != subject:
            raise Refused("the provider tells of somebody else")
        return found

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        wanted = self._settings.oidc_name
        name = claims.get(wanted)
        if not _usable(name) or (wanted == "email" and claims.get("email_verified") is not True):
            raise Refused(f"the provider says no `{wanted}` of you that could be used")
        groups = claims.get(self._settings.oidc_groups)
        named = [one for one in groups if isinstance(one, str)] if isinstance(groups, list) else []
        subject, session = oidc_logout.subject(claims), oidc_logout.session(claims)
        if subject is None:
            raise Refused("the provider says no `sub` of you that could be used")
        return Identity(str(name), tuple(named[:MOST_GROUPS]), subject, session)

    def _json(self, session: requests.Session, method: str, url: str, **given: Any) -> dict[str, Any]:
        """The JSON object that it answers, at this address and no other."""
        given |= {"timeout": TIMEOUT, "allow_redirects": False, "stream": True}
        try:
            with session.request(method, url, **given) as answer:
                body = _object(_content(answer))
        except (requests.RequestException, OSError) as error:
            raise unanswered("the provider of identities does not answer", error, after=1) from error
        if answer.status_code >= 500:
            raise Retry(f"the provider of identities answers {answer.status_code}")
        if answer.status_code != 200 or body is None:
            why = (body or {}).get("error", answer.status_code)
            raise Refused(f"the provider refused: {_word(str(why))}")
        return body


def _with(where: str, asked: Mapping[str, str]) -> str:
    return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"


def _content(answer: requests.Response) -> bytes:
    """Its body; of one that is too long no more than shows that."""
    found = b""
    for piece in answer.iter_content(PIECE):
        found += piece
        if len(found) > MOST_BYTES:
            break
    return found


def _object(content: bytes) -> dict[str, Any] | None:
    """The JSON object; None for anything else, and for what is too long."""
    try:
        found = json.loads(content) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_login(asked: requests.PreparedRequest) -> requests.PreparedRequest:
    return asked


def _usable(name: Any) -> bool:
    """Whether it names somebody, and nobody could take it for another's name: ` ann` is not ann."""
    return (
        isinstance(name, str) and 0 < len(name) <= MOST_NAME and name.isprintable() and name == name.strip()
    )


def _word(text: str) -> str:
    """What a provider says, short and without anything that a terminal or a log would obey."""
    return "".join(one for one in text[:80] if one.isprintable())
