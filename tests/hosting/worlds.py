"""A repository at a host for tests: who pushes there, what its people see, and the adapter that Segue has."""

import shutil
from typing import ClassVar

from service import plugins
from service.adapters.hosts import comments
from service.ports.connections import Source
from service.ports.git import Permission
from service.settings import Settings
from tests.hosting.github import GitHub
from tests.hosting.gitlab import GitLab
from tests.hosting.server import ADMIN
from tests.repositories import Repository

TOKEN = "a-token-of-segue"


class Hosted:
    """One repository; `commit`, `move` and `delete` are what a push does there."""

    kind = ""

    def __init__(self, folder, server, login=TOKEN):
        self.repository = Repository(folder / "srv", "acme.git")
        self.server = server(self.repository)
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


class OnGitHub(Hosted):
    """At GitHub."""

    kind = "github"
    words: ClassVar = {Permission.ADMIN: "admin", Permission.WRITE: "write", Permission.READ: "read"}

    def __init__(self, folder, login=TOKEN):
        super().__init__(folder, GitHub, login)
        self.server.people |= {"ann": "write", "bob": "read"}

    def note(self, commit):
        """What is reported on the commit."""
        return "".join(
            comments.note_of(one["body"]) for one in self.server.comments.get(f"commits/{commit}", ())
        )

    def said(self, where):
        """The comments at a place, without their marks."""
        kind, number = where.split("/")
        listed = self.server.comments.get(f"{'commits' if kind == 'commit' else 'issues'}/{number}", ())
        return [one["body"].partition("\n")[2] for one in listed]

    def knows(self, login, permission):
        """Let the person do so much there."""
        self.server.people[login] = self.words[permission]


class OnGitLab(Hosted):
    """At GitLab."""

    kind = "gitlab"
    levels: ClassVar = {Permission.ADMIN: 40, Permission.WRITE: 30, Permission.READ: 20, Permission.NONE: 0}

    def __init__(self, folder, login=TOKEN):
        super().__init__(folder, GitLab, login)

    def note(self, commit):
        """What is reported on the commit."""
        return "".join(
            comments.note_of(one["body"]) for one in self.server.notes.get(f"commits/{commit}", ())
        )

    def said(self, where):
        """The comments at a place, without their marks."""
        kind, number = where.split("/")
        place = {"pull": "merge_requests", "issue": "issues", "commit": "commits"}[kind]
        return [one["body"].partition("\n")[2] for one in self.server.notes.get(f"{place}/{number}", ())]

    def knows(self, login, permission):
        """Let the person do so much there."""
        self.server.people[login] = self.levels[permission]
