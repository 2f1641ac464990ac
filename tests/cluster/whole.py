"""The whole service beside a cluster: `segue up` on this machine, a repository, and the cluster connected."""

import subprocess
import time

import requests

from service.demo.place import program
from tests.cluster.images import Images
from tests.cluster.traefik import Gateway
from tests.installation import Installation

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SECONDS = 240
SETTLED = 3  # seconds after a route is confirmed in which the data plane has surely learnt of it


class Watched:
    """What tests ask of an installation, wherever it runs: `client` is its API, `say` types a command."""

    def next_release(self, model, after=(), seconds=60):
        """The first release of the model that is not among `after`, as soon as there is one."""
        until = time.monotonic() + seconds
        while True:
            found = [r for r in self._every() if r["model"] == model and r["name"] not in after]
            if found:
                return found[-1]["name"]
            assert time.monotonic() < until, self.say("events", "--failed")
            time.sleep(0.2)

    def outcome(self, name, seconds=SECONDS):
        """The release of that name once it has ended; fails the test with its whole story where it does not."""
        until = time.monotonic() + seconds
        while True:
            found = self.client.release(name)["release"]
            if found["final"]:
                return found
            assert time.monotonic() < until, self.say("show", name)
            time.sleep(0.2)

    def target(self, name):
        """The target as the API shows it; None before its first release."""
        return next((t for t in self.client.targets().page().rows if t["name"] == name), None)

    def _every(self):
        return self.client.releases().page().rows


class Control(Watched, Installation):
    """An installation that knows one cluster, by the name `test`, and the registry whose images it runs."""

    def __init__(self, root, kubeconfig, namespace, images: Images, gateway: Gateway, **environ) -> None:
        super().__init__(
            root,
            KUBECONFIG=str(kubeconfig),
            SEGUE_IMAGES=f"http://{images.registry}/built",
            SEGUE_BASE=f"http://{images.base()}",
            **environ,
        )
        self.namespace, self._images, self._gateway = namespace, images, gateway

    def __enter__(self):
        self.start()
        self.say(
            "cluster", "test", "--namespace", self.namespace, "--default",
            "--gateway", "/".join(self._gateway.reference), "--address", self._gateway.url,
            "--metrics", self._gateway.metrics,
        )  # fmt: skip
        self.connect()
        return self

    def __exit__(self, *error):
        if error[0] is not None:
            print(self.place.log.read_text()[-20_000:])
        self.end()

    def say(self, *words):
        """Type a command; what it prints. Fails the test where the command does."""
        done = subprocess.run(
            [program(), *words], env=self._environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"segue {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def declare(self, text, **files):
        """Push a segue.yaml, and what else is named, to the default branch; the commit."""
        for name, content in {"segue.yaml": text, **files}.items():
            (self.place.work / name.replace("__", ".")).write_text(content)
        commit = self.repository.commit("Say how it is released")
        self.repository.push()
        return commit


def tag(reference, name):
    """Let a tag mean an image of the test registry, as CI would; its repository."""
    where, _, digest = reference.partition("@")
    host, _, repository = where.partition("/")
    place = f"http://{host}/v2/{repository}/manifests"
    manifest = requests.get(f"{place}/{digest}", headers={"Accept": MANIFEST}, timeout=10)
    manifest.raise_for_status()
    put = requests.put(f"{place}/{name}", manifest.content, headers={"Content-Type": MANIFEST}, timeout=10)
    put.raise_for_status()
    return where


def eventually(condition, what, seconds=60):
    """Wait until the condition gives something true; fails with `what` it did not."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, what
        time.sleep(0.3)
    return found
