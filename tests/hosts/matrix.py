"""A real Matrix server: Synapse from its wheels, installed once, with accounts of people and of Segue's."""

import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from tests.running import free_port, wait_until

_VERSION = "1.163.2"
_LOCK = Path(__file__).parent / "synapse.txt"
_HOME = Path.home() / ".cache" / "segue-hosts"
NAME = "chat.example.test"
_SHARED = "a-registration-secret"


def python() -> Path:
    """The interpreter that has it, installed where it is not there (two minutes, 250 MB)."""
    ready = _HOME / f"synapse-{_VERSION}"
    if not ready.exists():
        _HOME.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=_HOME, prefix="new-"))
        uv = Path(sys.executable).parent / "uv"
        try:
            subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, new], check=True)
            words = [
                "pip",
                "install",
                "-q",
                "--python",
                new / "bin" / "python",
                "--require-hashes",
                "-r",
                _LOCK,
            ]
            subprocess.run(["nice", "-n", "10", uv, *words], check=True)
            new.replace(ready)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return ready / "bin" / "python"


class Synapse:
    """One server with its files in one folder; it federates with nobody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self):
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "homeserver.yaml"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        words = [python(), "-m", "synapse.app.homeserver", "-c", config]
        made = subprocess.run([*words, "--generate-keys"], cwd=self.folder, capture_output=True, check=False)
        assert made.returncode == 0, made.stderr.decode()[-2000:]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log)
        wait_until(self._ready, 300)
        return self

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def account(self, name):
        """The access token of a new account: registered by the shared secret, as Synapse's own script does."""
        path = "/_synapse/admin/v1/register"
        nonce = self.call("GET", path)["nonce"]
        parts = [nonce, name, f"{name}-password", "notadmin"]
        mac = hmac.new(_SHARED.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
        told = {"nonce": nonce, "username": name, "password": parts[2], "admin": False, "mac": mac}
        return self.call("POST", path, told)["access_token"]

    def client(self, token, method, path, body=None):
        """A call of the client-server API."""
        return self.call(method, f"/_matrix/client/v3{path}", body, token)

    def call(self, method, path, body=None, token=""):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def _ready(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return requests.get(f"{self.url}/_matrix/client/versions", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _config(self):
        resources = [{"names": ["client"], "compress": False}]
        listener = {"port": self._port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": False}
        limit = {"per_second": 1000, "burst_count": 1000}
        return {
            "server_name": NAME,
            "public_baseurl": self.url,
            "report_stats": False,
            "signing_key_path": str(self.folder / "signing.key"),
            "media_store_path": str(self.folder / "media"),
            "macaroon_secret_key": "a-macaroon-key",
            "registration_shared_secret": _SHARED,
            "suppress_key_server_warning": True,
            "trusted_key_servers": [],
            "federation_domain_whitelist": [],
            "use_presence": False,
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "listeners": [listener | {"resources": resources}],
            "rc_message": limit,
            "rc_registration": limit,
            "rc_login": {"address": limit, "account": limit},
        }


if __name__ == "__main__":
    print(python())
