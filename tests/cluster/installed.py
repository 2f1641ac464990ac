"""Segue as its chart installs it: one pod, a repository on its volume that is pushed to through kubectl."""

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
_AUTHOR = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main")


def reached(kubectl, namespace, name, port):
    """A Service's address, once the node's proxy leads there: that takes a second after a pod is ready."""
    address = kubectl.get("service", name, "-n", namespace)["spec"]["clusterIP"]
    wait_until(lambda: _answers(f"http://{address}:{port}/healthz"), seconds=60)
    return address


def _answers(url):
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


class Installed(Watched):
    """The pod `segue-0` of a namespace. `work` becomes a clone of its repository."""

    def __init__(self, kubectl, namespace, work):
        self._kubectl, self.namespace, self._work = kubectl, namespace, work
        address = reached(kubectl, namespace, "segue", 8471)
        token = self.inside("cat", f"{HOME}/secrets/operator-token").strip()
        self.client = Client(f"http://{address}:8470", f"http://{address}:8471", token)

    def inside(self, *words):
        """Run a program in the pod; what it prints."""
        return self._kubectl.run("exec", "-n", self.namespace, "segue-0", "-c", "segue", "--", *words)

    def say(self, *words):
        """Type a command of Segue's in the pod; what it prints."""
        return self.inside("segue", *words)

    def connect(self):
        """Make a repository in the pod, connect it, and clone it here."""
        self.inside("git", "init", "--quiet", "--bare", "--initial-branch=main", PLACE)
        self.say("connect", "git", PLACE)
        there = ["kubectl", "--kubeconfig", str(self._kubectl.kubeconfig), "exec", "-i", "-n", self.namespace]
        through = shlex.join([*there, "segue-0", "-c", "segue", "--", "git"])
        self._work.mkdir()
        self._git("init", "--quiet")
        self._git("remote", "add", "origin", f"ext::{through} %s {PLACE}")

    def declare(self, text, **files):
        """Push a segue.yaml, and what else is named, to the default branch."""
        for name, content in {"segue.yaml": text, **files}.items():
            (self._work / name.replace("__", ".")).write_text(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "Say how it is released")
        self._git("push", "--quiet", "origin", "HEAD")

    def _git(self, *words):
        """git as a developer has it, who may speak to the pod through another program."""
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_ALLOW_PROTOCOL": "ext"}
        command = ["git", "-C", str(self._work), *_AUTHOR, *words]
        done = subprocess.run(
            command, env={**os.environ, **own}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"git {words[0]}: {done.stderr}"
        assert "segue: not told" not in done.stderr, done.stderr
