"""A provider of identities on a free port: OpenID Connect as its documents have it, and every way to break it.

It checks what a real one checks: each code once, its verifier, the client's secret, the address to go back
to. `lies` changes what it says, for tests that must notice.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "segue", "of a client: for tests/"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class Provider:
    """Answers until `end`. `people` are logins with their groups; None: it names no groups in its token."""

    def __init__(self):
        self.people = {"ann": ["ml", "ops"], "bob": []}
        self.lies = {}
        self.asked = []
        self.codes = {}
        self.sessions = {}
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "one"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def end(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def log_in(self, address, who):
        """Go where the browser is sent, as somebody; where it is sent back to, with what."""
        answer = requests.get(address, params={"as": who}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        where = urlsplit(answer.headers["Location"])
        return where, {key: values[0] for key, values in parse_qs(where.query).items()}

    # --- what it answers --------------------------------------------------------------------

    def about(self):
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/logout",
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {**told, **self.lies.get("about", {})}

    def keys(self):
        if "keys" in self.lies:
            return self.lies["keys"]
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def authorize(self, query):
        if query.get("code_challenge_method") != "S256" or "openid" not in query["scope"].split():
            return {"error": "invalid_request", "state": query["state"]}
        code = secrets.token_hex(8)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer}
        return {
            key: value
            for key, value in {**answer, **self.lies.get("answer", {})}.items()
            if value is not None
        }

    def redeem(self, form, authorization):
        query = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        login = unquote(base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")[2])
        if query is None or proof != query["code_challenge"] or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if login != SECRET:
            return 401, {"error": "invalid_client"}
        return 200, {
            "access_token": f"of-{query['as']}",
            "token_type": "Bearer",
            "id_token": self.token(query),
        }

    def token(self, query):
        now, who = time.time(), query["as"]
        claims = {
            "iss": self.issuer, "sub": f"id-{who}", "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": query["nonce"], "preferred_username": who, "groups": self.people[who],
            "sid": self.sessions.setdefault(who, secrets.token_hex(8)),
        }  # fmt: skip
        return self._signed({**claims, **self.lies.get("claims", {})})

    def logout(self, who, header=(), **claims):
        """The token that tells its clients of a logout there."""
        now = time.time()
        told = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": secrets.token_hex(8),
            "sub": f"id-{who}", "sid": self.sessions.get(who), "events": {LOGOUT: {}},
        }  # fmt: skip
        return self._signed({**told, **claims}, {"typ": "logout+jwt", **dict(header)})

    def _signed(self, claims, header=None):
        claims = {key: value for key, value in claims.items() if value is not None}
        sign = self.lies.get("sign")
        if sign is not None:
            return sign(claims)
        return jwt.encode(claims, self.key, "RS256", {"kid": self.kid, **(header or {})})

    def userinfo(self, authorization):
        who = authorization.removeprefix("Bearer of-")
        told = {"sub": f"id-{who}", "preferred_username": who, "groups": self.people[who]}
        return {**told, **self.lies.get("userinfo", {})}


def _handler(provider):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            where = urlsplit(self.path)
            provider.asked.append(where.path)
            query = {key: values[0] for key, values in parse_qs(where.query).items()}
            if where.path == "/authorize":
                self.send_response(302)
                self.send_header(
                    "Location", f"{query['redirect_uri']}?{urlencode(provider.authorize(query))}"
                )
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            answers = {
                "/.well-known/openid-configuration": provider.about,
                "/keys": provider.keys,
                "/userinfo": lambda: provider.userinfo(self.headers["Authorization"]),
            }
            self._tell(200, answers[where.path]())

        def do_POST(self):
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            self._tell(*provider.redeem(form, self.headers.get("Authorization", "")))

        def _tell(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(provider.lies.get("status", status))
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")  # as it does; who is not told may ask there once more
            if "pieces" in provider.lies:
                self.send_header("Transfer-Encoding", "chunked")
                content = b"".join(b"1\r\n%c\r\n" % one for one in content) + b"0\r\n\r\n"
            else:
                more = 1 if "cut" in provider.lies else 0
                self.send_header("Content-Length", str(len(content) + more))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler
