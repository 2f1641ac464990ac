"""A token service for an image registry, as Distribution's specification of tokens has it.

It gives a signed token (JWT, RS256, its certificate in `x5c`) for what the scope asks, to whom it knows; a
real registry verifies it.
"""

import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from tests.answering import Server

SERVICE, ISSUER = "images.example", "tokens.example"


class TokenService(Server):
    """Answers /token. `logins` are who it knows; `seconds` is how long its tokens last."""

    def __init__(self, folder, logins):
        super().__init__()
        self.logins, self.seconds, self.given = logins, 300, []
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self._certificate = _certificate(self._key)
        folder.mkdir(parents=True, exist_ok=True)
        bundle = folder / "tokens.pem"
        bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.answers["/token"] = self._answer
        self.configuration = {
            "realm": f"{self.url}/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(bundle),
        }

    def _answer(self, headers):
        _, _, query, *_ = self.asked[-1]
        scheme, _, login = headers.get("Authorization", "").partition(" ")
        known = scheme == "Basic" and base64.b64decode(login).decode() in self.logins
        if not known:
            return 401, {}, b'{"details": "incorrect username or password"}'
        scopes = parse_qs(query).get("scope", [])
        self.given.append(scopes)
        return 200, {}, json.dumps({"token": self._token(scopes)}).encode()

    def _token(self, scopes):
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {
            "iss": ISSUER, "sub": "robot", "aud": SERVICE, "access": access, "jti": str(len(self.given)),
            "exp": now + self.seconds, "nbf": now - 10, "iat": now,
        }  # fmt: skip
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _encoded(signature)).decode()


def _encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(hashlib.sha256(str(now).encode()).hexdigest()[:15], 16))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return built.sign(key, hashes.SHA256())
