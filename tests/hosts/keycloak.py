"""A real Keycloak as the provider of identities: fetched and built once, with a realm, people and clients of ours."""

import hashlib
import html
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from tests.running import free_port, wait_until

_VERSION = "26.5.6"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{_VERSION}:zip"
_SHA256 = "490189d9dff05272432d51f71a069462eeca97f2920a694d539a1e6c26a5a347"
_HOME = Path.home() / ".cache" / "segue-hosts"
_ADMIN = "of-a-server-for-tests"
# Java is slow to start, and slower where others work.
START_SECONDS = 900
REALM = {
    "realm": "ml",
    "enabled": True,
    "sslRequired": "none",
    "groups": [{"name": "ml"}],
    "users": [
        {
            "username": name,
            "enabled": True,
            "email": f"{name}@example.test",
            "emailVerified": True,
            "firstName": name.title(),
            "lastName": "Example",
            "credentials": [{"type": "password", "value": name * 3, "temporary": False}],
            "groups": groups,
        }
        for name, groups in (("ann", ["/ml"]), ("bob", []), ("eve", ["/ml"]))
    ],
}
_GROUPS = {
    "name": "groups",
    "protocol": "openid-connect",
    "protocolMapper": "oidc-group-membership-mapper",
    "config": {
        "claim.name": "groups",
        "full.path": "false",
        "id.token.claim": "true",
        "userinfo.token.claim": "true",
    },
}


def keycloak() -> Path:
    """Its folder, fetched (160 MB) and built where it is not there: half a minute, on a slow network more."""
    ready = _HOME / f"keycloak-{_VERSION}"
    if not ready.exists():
        _HOME.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_HOME, prefix="new-") as made:
            found = _unpacked(Path(made))
            _run("bash", str(found / "bin" / "kc.sh"), "build", "--db=dev-mem")
            found.replace(ready)
    return ready


def _unpacked(folder: Path) -> Path:
    _run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}")
    (packed,) = folder.glob("*.zip")
    if hashlib.sha256(packed.read_bytes()).hexdigest() != _SHA256:
        sys.exit(f"{_ARTIFACT} is not what these tests were written with")
    shutil.unpack_archive(packed, folder)
    return folder / f"keycloak-{_VERSION}"


def _run(*words: str) -> None:
    if subprocess.run(["nice", "-n", "10", *words], check=False).returncode != 0:
        sys.exit(f"{words[0]} failed; the tests with Keycloak need Maven and Java 17 or newer")


class Keycloak:
    """One server with nothing but memory; a realm `ml` in it, where `ann` and `eve` are of the group `ml`."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "keycloak.log"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.issuer = f"{self.url}/realms/ml"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def start(self):
        """Start it and wait until it answers: a quarter of a minute of a quiet machine."""
        words = (
            "start",
            "--optimized",
            "--cache=local",
            "--http-enabled=true",
            "--hostname-strict=false",
            "--http-host=127.0.0.1",
            f"--http-port={self._port}",
        )
        heap = {"JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m"}
        admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN}
        kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", keycloak() / "bin" / "kc.sh", *words],
                env=kept | heap | admin,
                stdout=log,
                stderr=log,
            )
        wait_until(self._ready, START_SECONDS)
        self.admin("POST", "", REALM, realm="")
        return self

    def stop(self):
        if self._process is not None:
            self._process.terminate()  # its script hands that on
            self._process.wait(60)
            self._process = None

    def client(self, back, logout=""):
        """A new client that must prove that it began the login; its id and its secret. `logout` is told of logouts."""
        name = f"segue-{next(self._numbers)}"
        told = {"pkce.code.challenge.method": "S256", "backchannel.logout.session.required": "true"}
        if logout:
            told["backchannel.logout.url"] = logout
        self.admin("POST", "/clients", {
            "clientId": name, "secret": name * 2, "enabled": True, "protocol": "openid-connect",
            "publicClient": False, "standardFlowEnabled": True, "directAccessGrantsEnabled": False,
            "redirectUris": [back], "attributes": told, "protocolMappers": [_GROUPS],
        })  # fmt: skip
        return name, name * 2

    def person(self, name):
        """The id of somebody."""
        (found,) = self.admin("GET", f"/users?exact=true&username={name}")
        return found["id"]

    def admin(self, method, path, body=None, realm="/ml"):
        """What its API answers to its administrator."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": _ADMIN}
        where = f"{self.url}/realms/master/protocol/openid-connect/token"
        token = requests.post(where, data=form, timeout=60).json()["access_token"]
        answer = requests.request(
            method,
            f"{self.url}/admin/realms{realm}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def _ready(self):
        assert self._process.poll() is None, self._log.read_text()
        try:
            return requests.get(f"{self.url}/realms/master", timeout=5).ok
        except requests.RequestException:
            return False


class Browser:
    """Somebody's browser: it keeps its session at the provider."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def close(self):
        self._session.close()

    def ask(self, method, url, **given):
        """One request. Cookies that are for HTTPS go to this machine without it, as browsers have it."""
        for one in self._session.cookies:
            one.secure = False
        return self._session.request(method, url, allow_redirects=False, timeout=60, **given)

    def sent_back(self, address, who):
        """Log in there by its form, where it has not done so before; where it leads back to, and with what."""
        answer = self.ask("GET", address)
        if answer.status_code == 200:
            form = {"username": who, "password": who * 3, "credentialId": ""}
            answer = self.ask("POST", action(answer), data=form)
        assert answer.status_code == 302, (address, answer.status_code, answer.text[:300])
        where = urlsplit(answer.headers["Location"])
        return where, {key: values[0] for key, values in parse_qs(where.query).items()}


def action(page):
    """Where the form of a page leads."""
    found = re.search(r'<form[^>]*action="([^"]*)"', page.text).group(1)
    return urljoin(page.url, html.unescape(found))


if __name__ == "__main__":
    print(keycloak())
