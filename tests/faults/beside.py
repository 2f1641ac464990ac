"""What else a wide world holds: a registry whose alias moves, a host that declares its model and whose people
comment and approve, an organisation whose repository gets other names, a chat, a receiver, a Deployment to take
over, a place for checkpoints, a server of lineage, and a registry of images that are signed.

Only those who die or stop at named points ask for it: there every kind of effect must be come to.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from handlers.commands import PREFIX
from service.adapters.memory.git import MemoryGit
from service.adapters.memory.organisation import MemoryOrganisation
from service.ports.connections import Cluster, Source
from service.ports.git import Permission

GIT = Source("git", "bare", "memory")
REGISTRY = Source("mlflow", "mlflow", "memory")
FORGE = Source("forge", "github", "https://git.example/ml/forge")
ACME = Source("acme", "github-org", "https://git.example/acme")
CHAT = Source("chat", "slack", "https://slack.example/T1")
RECEIVER = Source("ops", "webhook", "https://hooks.example/segue")
CLUSTER = Cluster("prod", namespace="ml")
SECRET = b"a-secret-of-the-forge"
ALIASED, TAKEN, FOUND = "aliased", "taken", "taken.ml"
APPROVER = "ann"
CHECKPOINTS = "s3://record/segue"
SETTINGS = {
    "images": "http://registry.invalid/models",
    "base": "http://registry.invalid/base",
    "checkpoints": (CHECKPOINTS,),
    "checkpoint_seconds": 20.0,
    "openlineage": "http://lineage.invalid",
}
FOUND_IMAGE = "registry.invalid/models/taken@sha256:found"
ALIASED_YAML = f"""\
name: {ALIASED}
model: models:/{ALIASED}@challenger
serve: none
approvals: {{count: 1, from: [{APPROVER}], in: "chat:#ml-release"}}
"""
JOINED_YAML = """\
name: joined
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
risk: 20%
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
PATIENT = 120.0  # between two approvals of the same plan


NAMES = 7  # of the organisation's repository, by turns
CHANGED = 1000.0  # when it was pushed to: as long ago as what was there before, so that it joins quietly


def files():
    """What the repository declares of the Deployment that is taken over."""
    return {
        f"{TAKEN}/segue.yaml": TAKEN_YAML.encode(),
        f"{TAKEN}/requirements.lock": b"",
        f"{TAKEN}/serve.py": b"0",
    }


class Others:
    """Who registers versions, comments, and has a Deployment handed back."""

    def __init__(self, people):
        self.people, self.number = people, 0
        self._next, self._pushed = people.world.clock(), 0.0
        self._approved = {}  # when each plan was approved last
        people.world.forge.people = {"bob": Permission.WRITE}
        people.world.forge.commit({f"{ALIASED}/segue.yaml": ALIASED_YAML.encode()})
        people.world.registry.register(ALIASED, {"MLmodel": b"0"})

    def approve(self):
        """What the chat asks for, and again what it still asks for long after."""
        now = self.people.world.clock()
        for posted in list(self.people.world.chat.posted.values()):
            for button in posted.message.buttons:
                words = button.line.removeprefix(PREFIX).split()
                since = now - self._approved.get(button.line, -PATIENT)
                if words[0] == "approve" and not 0 <= since < PATIENT:
                    self._approved[button.line] = now
                    self.people.say(*words)

    def turn(self):
        """The next thing, now and then."""
        now = self.people.world.clock()
        if not (now < self._next and self._next - now < 60):
            self._next = now + EVERY
            self.act()

    def act(self):
        """A version's alias, a comment, another name for a repository, and by turns a push to what was taken
        over and its hand-back, which is refused while a release is on its way there."""
        self.number += 1
        registry = self.people.world.registry
        version = registry.register(ALIASED, {"MLmodel": b"%d" % self.number})
        registry.set_alias(ALIASED, "challenger", version)
        self._comment("/segue abort rel-9999")
        self.people.world.organisation.rename(f"joined-{self.number % NAMES}")
        now = self.people.world.clock()
        if not 0 <= now - self._pushed < AGAIN:
            self._pushed = now
            self.people.push(TAKEN)
        elif now - self._pushed > RELEASED:
            self.people.say("hand-back", f"{TAKEN}/production")

    def _comment(self, text):
        person = {"id": 2, "login": "bob", "type": "User"}
        at = datetime.fromtimestamp(self.people.world.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = {"id": self.number, "body": text, "user": person, "created_at": at}
        told = {
            "action": "created",
            "issue": {"number": 7, "pull_request": {}},
            "comment": said,
            "sender": person,
        }
        body = json.dumps(told | {"repository": {"full_name": "ml/forge"}}).encode()
        self.people.send(f"comment-{self.number}", "/hooks/forge", body)
        self.people.world.seen.comments.add(f"forge:{self.number}:0")


class Renaming(MemoryOrganisation):
    """An organisation of one repository that declares a model; it gets other names."""

    def __init__(self):
        super().__init__(ACME.url)
        self.host = MemoryGit()
        self.host.commit({"segue.yaml": JOINED_YAML.encode()})
        self.rename("joined")

    def rename(self, name):
        """From now on it is there under this name alone."""
        path = f"acme/{name}"
        self.hosts, self.changed = {path: self.host}, {path: CHANGED}

    def repositories(self):
        """All at once: what is asked for goes from one process to another."""
        return tuple(super().repositories())

    def redeliver(self, address, now):
        """Every delivery was taken."""
        del address, now
        return 0


def signed(sent):
    """The headers of a comment's delivery."""
    signature = hmac.new(SECRET, sent.body, hashlib.sha256).hexdigest()
    names = {"X-GitHub-Event": "issue_comment", "X-GitHub-Delivery": sent.name}
    return {**names, "X-Hub-Signature-256": f"sha256={signature}"}
