"""A repository at a host for tests: who pushes there, what its people see, and the adapter that Segue has."""

import shutil
from typing import ClassVar

from service import plugins
from service.adapters.hosts import bitbucket, comments
from service.ports.connections import Source
from service.ports.git import Permission
from service.settings import Settings
from tests.hosting.bitbucket import Bitbucket
from tests.hosting.bitbucket_server import BitbucketServer
from tests.hosting.github import GitHub
from tests.hosting.gitlab import GitLab
from tests.hosting.server import ADMIN, READ, WRITE
from tests.repositories import Repository

TOKEN = "a-token-of-segue"


class Hosted:
    """One repository; `commit`, `move` and `delete` are what a push does there."""

    kind = ""
    server_of = None
    rooms: ClassVar = {}  # a place's kind in the words of the API
    least = WRITE  # what reporting takes
    words: ClassVar = {Permission.ADMIN: "admin", Permission.WRITE: "write", Permission.READ: "read"}

    def __init__(self, folder, login=TOKEN):
        self.repository = Repository(folder / "srv", "acme.git")
        self.server = self.server_of(self.repository)
        self.server.tokens[TOKEN] = ADMIN
        self.commit = self.repository.commit
        self.settings = Settings(home=folder / "home")
        secrets = self.settings.home / "secrets"
        secrets.mkdir(parents=True)
        (secrets / "hook-models").write_text("marks comments\n")
        (secrets / "login-models").write_text(f"{login}\n")
        self.source = Source("models", self.kind, f"{self.server.url}/{self.server.path}")
        self.host = self.opened()

    def opened(self):
        """Another process's adapter."""
        return plugins.load("git_hosts", self.kind).open(self.settings, self.source)

    def move(self, ref, commit):
        self.repository.git("update-ref", ref, commit)

    def delete(self, ref):
        self.repository.git("update-ref", "-d", ref)

    def places(self):
        """Two places where people talk."""
        return "pull/7", "issue/8"

    def vanish(self):
        shutil.rmtree(self.repository.folder)

    def point_head(self, ref):
        if ref is None:
            head = self.repository.git("rev-parse", "HEAD").decode()
            self.repository.git("update-ref", "--no-deref", "HEAD", head)
        else:
            self.repository.git("symbolic-ref", "HEAD", ref)

    def listed(self, where):
        """The comments at a place, as the server keeps them."""
        kind, number = where.split("/")
        return self.server.comments.setdefault(f"{self.rooms[kind]}/{number}", [])

    def text(self, comment):
        """What a comment says."""
        return comment.get("body", "")

    def said(self, where):
        """The texts at a place, without their marks."""
        return [self.text(one).partition("\n")[2] for one in self.listed(where)]

    def note(self, commit):
        """What is reported on the commit."""
        return "".join(comments.note_of(self.text(one)) for one in self.listed(f"commit/{commit}"))

    def joins(self, login, group):
        """Let the person be in the group."""
        self.server.groups.setdefault(group, set()).add(login)

    def knows(self, login, permission):
        """Let the person do so much there."""
        self.server.people[login] = self.words[permission]


class OnGitHub(Hosted):
    """At GitHub."""

    kind = "github"
    server_of = GitHub
    rooms: ClassVar = {"pull": "issues", "issue": "issues", "commit": "commits"}

    def deployed(self, environment):
        """The commits there and how far they are, the newest first."""
        return [
            (one["sha"], one["statuses"][-1]["state"])
            for one in self.server.deployments
            if (one["environment"], one["task"]) == (environment, "segue")
        ]

    def serves(self, environment):
        """The one commit that is shown as deployed there; None where there is none."""
        found = [commit for commit, state in self.deployed(environment) if state == "success"]
        assert len(found) < 2, found
        return found[0] if found else None

    def may_deploy(self, may):
        """Whether the login may tell of deployments."""
        self.server.deploys = may


class OnGitLab(Hosted):
    """At GitLab."""

    kind = "gitlab"
    server_of = GitLab
    rooms: ClassVar = {"pull": "merge_requests", "issue": "issues", "commit": "commits"}
    words: ClassVar = {Permission.ADMIN: 40, Permission.WRITE: 30, Permission.READ: 20}

    def deployed(self, environment):
        """The commits there and how far they are, the newest first."""
        words = {"running": "in_progress", "failed": "failure", "canceled": "inactive"}
        return [
            (one["sha"], words.get(one["status"], one["status"]))
            for one in self.server.deployments
            if one["environment"]["name"] == environment and not one["deployable"]
        ]

    def serves(self, environment):
        """The commit of the newest success, which GitLab shows as deployed."""
        return next((commit for commit, state in self.deployed(environment) if state == "success"), None)

    def may_deploy(self, may):
        """Whether the login may tell of deployments."""
        self.server.deploys = may


class OnBitbucket(Hosted):
    """At Bitbucket Cloud, which has one address only: this one stands in for it."""

    kind = "bitbucket"
    server_of = Bitbucket
    rooms: ClassVar = {"pull": "pullrequests", "issue": "issues", "commit": "commit"}

    def opened(self):
        """Another process's adapter."""
        bitbucket.ROOTS[self.server.url] = f"{self.server.url}/2.0"
        return super().opened()

    def text(self, comment):
        return comment.get("content", {}).get("raw", "")


class OnBitbucketServer(Hosted):
    """At Bitbucket Data Center, where each commit came by a pull request: reports stand nowhere else."""

    kind = "bitbucket"
    server_of = BitbucketServer
    words: ClassVar = {
        Permission.ADMIN: "REPO_ADMIN",
        Permission.WRITE: "REPO_WRITE",
        Permission.READ: "REPO_READ",
    }
    least = READ

    def __init__(self, folder, login=TOKEN):
        super().__init__(folder, login)
        self.commit = self._commit

    def _commit(self, *given, **more):
        commit = self.repository.commit(*given, **more)
        number = 100 + len(self.server.pulls)
        self.server.pulls.append({"id": number, "state": "MERGED", "commits": [commit]})
        return commit

    def places(self):
        """There are no issues."""
        return "pull/7", "pull/8"

    def listed(self, where):
        """The comments at a place, as the server keeps them."""
        return self.server.comments.setdefault(where.partition("/")[2], [])

    def text(self, comment):
        return comment.get("text", "")

    def note(self, commit):
        """What is reported below the commit's pull request."""
        numbers = [one["id"] for one in self.server.pulls if commit in one["commits"]]
        return "".join(
            comments.note_of(one["text"]) for number in numbers for one in self.listed(f"pull/{number}")
        )
