"""What else a wide world holds: a registry whose alias moves, a host whose people comment, a chat, a receiver, a
Deployment to take over.

Only those who die or stop at named points ask for it: there every kind of effect must be come to.
"""

import hashlib
import hmac
import json

from service.ports.connections import Cluster, Source
from service.ports.git import Permission

GIT = Source("git", "bare", "memory")
REGISTRY = Source("mlflow", "mlflow", "memory")
FORGE = Source("forge", "gitea", "https://git.example/ml/forge")
CHAT = Source("chat", "slack", "https://slack.example/T1")
RECEIVER = Source("ops", "webhook", "https://hooks.example/segue")
CLUSTER = Cluster("prod", namespace="ml")
SECRET = b"a-secret-of-the-forge"
ALIASED, TAKEN, FOUND = "aliased", "taken", "taken.ml"
IMAGES = {"images": "http://registry.invalid/models", "base": "http://registry.invalid/base"}
FOUND_IMAGE = "registry.invalid/models/taken@sha256:found"
ALIASED_YAML = f"""\
name: {ALIASED}
model: models:/{ALIASED}@challenger
serve: none
approvals: {{count: 0, in: "chat:#ml-release"}}
"""
TAKEN_YAML = f"""\
name: {TAKEN}
build: {{lock: requirements.lock}}
deployment: ml/{TAKEN}
route: ml/{TAKEN}
risk: 20%
false_rollbacks: 1%
ladder: [10%, 50%, 100%]
dwell: 2s
warm_up: 0s
watch: 4s
patience: 1m
"""
EVERY = 15.0  # seconds of the shared clock between two things that somebody does here
RELEASED = 40.0  # the same, in which what was pushed to the Deployment is promoted
AGAIN = 80.0  # between two such pushes: in between it is handed back


def files():
    """What the repository declares of these models."""
    return {
        f"{ALIASED}/segue.yaml": ALIASED_YAML.encode(),
        f"{TAKEN}/segue.yaml": TAKEN_YAML.encode(),
        f"{TAKEN}/requirements.lock": b"",
        f"{TAKEN}/serve.py": b"0",
    }


class Others:
    """Who registers versions, comments, and has a Deployment handed back."""

    def __init__(self, people):
        self.people, self.number = people, 0
        self._next, self._pushed = people.world.clock(), 0.0
        people.world.forge.people = {"bob": Permission.WRITE}
        people.world.registry.register(ALIASED, {"MLmodel": b"0"})

    def turn(self):
        """The next thing, now and then."""
        now = self.people.world.clock()
        if not (now < self._next and self._next - now < 60):
            self._next = now + EVERY
            self.act()

    def act(self):
        """A version's alias, a comment, and by turns a push to what was taken over and its hand-back, which
        is refused while a release is on its way there."""
        self.number += 1
        registry = self.people.world.registry
        version = registry.register(ALIASED, {"MLmodel": b"%d" % self.number})
        registry.set_alias(ALIASED, "challenger", version)
        self._comment("/segue abort rel-9999")
        now = self.people.world.clock()
        if not 0 <= now - self._pushed < AGAIN:
            self._pushed = now
            self.people.push(TAKEN)
        elif now - self._pushed > RELEASED:
            self.people.say("hand-back", f"{TAKEN}/production")

    def _comment(self, text):
        person = {"id": 2, "login": "bob"}
        said = {"id": self.number, "body": text, "user": person}
        told = {
            "action": "created",
            "is_pull": True,
            "issue": {"number": 7},
            "comment": said,
            "sender": person,
        }
        body = json.dumps(told | {"repository": {"full_name": "ml/forge"}}).encode()
        self.people.send(f"comment-{self.number}", "/hooks/forge", body)
        self.people.world.seen.comments.add(f"forge:{self.number}:0")


def signed(sent):
    """The headers of a comment's delivery."""
    signature = hmac.new(SECRET, sent.body, hashlib.sha256).hexdigest()
    names = {"Event": "issue_comment", "Delivery": sent.name, "Signature": signature}
    return {f"X-Gitea-{name}": value for name, value in names.items()}
