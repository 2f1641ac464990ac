"""Segue as its chart installs it: in one pod or as processes of their own, and a developer's clone.

One pod keeps its repository on its volume, which is pushed to through kubectl. Processes share no
volume: theirs lies at a Git host, which tells them of each push.
"""

import json
import os
import shlex
import subprocess

import requests

from service.client import Client
from tests.cluster.whole import Watched
from tests.running import wait_until

HOME = "/var/lib/segue"
ROOT = f"{HOME}/git"
PLACE = f"{ROOT}/models.git"
TOKEN = "the-token-of-the-operator-of-this-test"
HOOK = "the-secret-of-the-hook-of-the-source-models"
_AUTHOR = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main")


def reached(kubectl, namespace, name, port):
    """A Service's address, once the node's proxy leads there: that takes a second after a pod is ready."""
    address = kubectl.get("service", name, "-n", namespace)["spec"]["clusterIP"]
    wait_until(lambda: _status(f"http://{address}:{port}/healthz") == 200, seconds=60)
    return address


def heard(gateway):
    """Whether senders reach intake, and people the page, by the gateway: it learns of a route a moment later."""
    return _status(f"{gateway}/hooks/nobody") == 405 and _status(f"{gateway}/-/login") == 200


def _status(url):
    """How it is answered; None where it is not."""
    try:
        return requests.get(url, timeout=2).status_code
    except requests.RequestException:
        return None


class Installed(Watched):
    """Segue in a namespace; people type commands in `pod`. `work` becomes a clone of its repository."""

    pod: str
    container: str
    client: Client

    def __init__(self, kubectl, namespace, work):
        self._kubectl, self.namespace, self._work = kubectl, namespace, work

    def inside(self, *words):
        """Run a program in the pod; what it prints."""
        return self._kubectl.run("exec", "-n", self.namespace, self.pod, "-c", self.container, "--", *words)

    def say(self, *words):
        """Type a command of Segue's in the pod; what it prints."""
        return self.inside("segue", *words)

    def declare(self, text, **files):
        """Push a segue.yaml, and what else is named, to the default branch."""
        for name, content in {"segue.yaml": text, **files}.items():
            (self._work / name.replace("__", ".")).write_text(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "Say how it is released")
        self._git("push", "--quiet", "origin", "HEAD")

    def _clone(self, remote):
        self._work.mkdir()
        self._git("init", "--quiet")
        self._git("remote", "add", "origin", remote)

    def _git(self, *words):
        """git as a developer has it, who may speak to a pod through another program."""
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_ALLOW_PROTOCOL": "ext:http"}
        command = ["git", "-C", str(self._work), *_AUTHOR, *words]
        done = subprocess.run(
            command, env={**os.environ, **own}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"git {words[0]}: {done.stderr}"
        assert "segue: not told" not in done.stderr, done.stderr


class OnePod(Installed):
    """Everything in the pod `segue-0`."""

    pod, container = "segue-0", "segue"

    def __init__(self, kubectl, namespace, work):
        super().__init__(kubectl, namespace, work)
        address = reached(kubectl, namespace, "segue", 8471)
        token = self.inside("cat", f"{HOME}/secrets/operator-token").strip()
        self.client = Client(f"http://{address}:8470", f"http://{address}:8471", token)

    def connect(self):
        """Make a repository in the pod, connect it, and clone it here."""
        self.inside("git", "init", "--quiet", "--bare", "--initial-branch=main", PLACE)
        self.say("connect", "git", PLACE)
        there = ["kubectl", "--kubeconfig", str(self._kubectl.kubeconfig), "exec", "-i", "-n", self.namespace]
        through = shlex.join([*there, self.pod, "-c", self.container, "--", "git"])
        self._clone(f"ext::{through} %s {PLACE}")


class Apart(Installed):
    """Each process in a pod of its own, whose secrets are `secrets`. `address` leads to intake and web."""

    pod, container = "deployment/segue-worker-urgent", "worker-urgent"

    def __init__(self, kubectl, namespace, work, address):
        super().__init__(kubectl, namespace, work)
        self.client = Client(address, address, TOKEN)

    def connect(self, gitea):
        """Connect a new repository of a Gitea, whose webhook leads to intake, and clone it here."""
        name = gitea.repository(private=True)
        told = self.say("connect", "gitea", f"{gitea.url}/{name}", "--name", "models", "--json")
        self._clone(gitea.remote(name))
        return json.loads(told)["told"]


def secrets(gitea):
    """The secret files of processes that share no volume."""
    return {"operator-token": TOKEN, "hook-models": HOOK, "login-models": gitea.token()}
