"""A real image registry (Distribution) for tests, and images so small that a test can push many."""

import hashlib
import json
import shutil
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime

import requests

from tests.running import free_port, wait_until

PROGRAMS = ("docker-registry", "registry")  # Debian's name, and its own
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LOGIN = ("robot", "secret")
_HTPASSWD = "robot:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


def program():
    """The registry's program; None where none is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class ImageServer:
    """One registry with all its files in one folder.

    `tls` are the files of its certificate and key, and of who signed it. `secured` wants LOGIN, `tokens` (what its configuration says of them) wants a token of a service, `tells` is a
    hook's URL and secret.
    """

    def __init__(self, folder, *, secured=False, tells=None, tokens=None, address="127.0.0.1", tls=None):
        self.folder = folder
        self.port = free_port()
        self.host = f"{address}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self._verify = str(tls[2]) if tls else True
        self._config = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host},
        }
        if tls:
            self._config["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
        if secured:
            self._config["auth"] = {"htpasswd": {"realm": "images", "path": str(folder / "htpasswd")}}
        if tokens is not None:
            self._config["auth"] = {"token": tokens}
        if tells is not None:
            self.tell(*tells)
        self._process = None

    def start(self):
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "htpasswd").write_text(_HTPASSWD)
        (self.folder / "config.yml").write_text(json.dumps(self._config))
        with (self.folder / "log").open("ab") as log:
            command = [program(), "serve", str(self.folder / "config.yml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers)
        return self

    def tell(self, hook, secret):
        """Have it notify that hook of each push, from its next start on, as docs/how-to/images.md says."""
        endpoint = {
            "name": "segue",
            "url": hook,
            "headers": {"Authorization": [f"Bearer {secret}"]},
            "timeout": "5s",
            "threshold": 3,
            "backoff": "1s",
        }
        self._config["notifications"] = {"endpoints": [endpoint]}

    def _answers(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            return requests.get(f"{self.url}/v2/", timeout=5, verify=self._verify).status_code in {200, 401}
        except requests.ConnectionError:
            return False

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def vouched(folder, address):
    """A registry over TLS at that address, whose certificate an authority of its own signed: `ca.pem` of the folder."""

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=a company")
    openssl("req", *new[:3], "-keyout", "key.pem", "-out", "request", "-subj", f"/CN={address}")
    (folder / "names").write_text(f"subjectAltName = IP:{address}\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "request", *signed, "-out", "cert.pem")
    files = (folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    server = ImageServer(folder, address=address, tls=files)
    try:
        yield server.start()
    finally:
        server.stop()


class Images:
    """Pushes images as a CI would, over the API."""

    def __init__(self, url, login=None):
        self._url = url
        self._session = requests.Session()
        self._session.auth = login
        self._session.trust_env = False

    def push(self, repository, tag, content, created=None):
        """Let the tag name an image of this content, made at that time (Unix seconds); its digest."""
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"content": content}}}
        if created is not None:
            # Nine digits after the point, as container engines write them.
            text = f"{datetime.fromtimestamp(created, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"
            config["created"] = text
        descriptor = self._blob(repository, CONFIG, json.dumps(config).encode())
        return self.manifest(repository, tag, MANIFEST, config=descriptor, layers=[])

    def index(self, repository, tag, digests, *, about=()):
        """Let the tag name an index of these images; `about` are entries of no platform. Its digest."""
        entries = [
            {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": {"os": os, "architecture": os}}
            for os, digest in [*(("unknown", one) for one in about), *(("linux", one) for one in digests)]
        ]
        return self.manifest(repository, tag, INDEX, manifests=entries)

    def manifest(self, repository, tag, kind, **parts):
        """Let the tag name a manifest of this kind; its digest."""
        content = json.dumps({"schemaVersion": 2, "mediaType": kind, **parts}).encode()
        address = f"{self._url}/v2/{repository}/manifests/{tag}"
        answer = self._session.put(address, data=content, headers={"Content-Type": kind}, timeout=30)
        assert answer.status_code == 201, answer.text
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def remove(self, repository, tag):
        """Take the image that the tag names away, with all its tags: there is no other way here."""
        address = f"{self._url}/v2/{repository}/manifests"
        found = self._session.head(f"{address}/{tag}", headers={"Accept": MANIFEST}, timeout=30)
        answer = self._session.delete(f"{address}/{found.headers['Docker-Content-Digest']}", timeout=30)
        assert answer.status_code == 202, answer.text

    def _blob(self, repository, kind, content):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        begun = self._session.post(f"{self._url}/v2/{repository}/blobs/uploads/", timeout=30)
        place = begun.headers["Location"]
        mark = "&" if "?" in place else "?"
        stored = self._session.put(f"{place}{mark}digest={digest}", data=content, timeout=30)
        assert stored.status_code == 201, stored.text
        return {"mediaType": kind, "digest": digest, "size": len(content)}
