"""What every Git host must do, asked of a real Gitea; commits are written into its repository on its disk."""

import inspect
import shutil
import time
from datetime import datetime

import pytest

from service import plugins
from service.ports.connections import Source
from service.ports.git import CommitState
from service.ports.outcomes import PortError
from service.settings import Settings
from tests.contracts import test_git_host as contract
from tests.repositories import Repository, git, push

# Gitea's default branch is a matter of its database, and a branch that is not there cannot be it. Of a report
# without a pull request only the line is shown: the tests below say what is.
ELSEWHERE = {
    name
    for name in vars(contract)
    if name.startswith("test_head_") or "report" in name or name in {
        "test_every_key_keeps_its_newest_status",
        "test_what_would_steer_a_terminal_is_reported_visibly",
        "test_a_long_text_is_cut_and_says_so",
    }
}  # fmt: skip


def _lists_deployments(test):
    """Whether it is about hosts that have such a list, which Gitea has not."""
    return "listing" in inspect.signature(test).parameters


globals().update(
    {
        name: test
        for name, test in vars(contract).items()
        if name.startswith("test_") and name not in ELSEWHERE and not _lists_deployments(test)
    }
)


class OnGitea:
    """A repository of Gitea's, and the adapter that Segue has for it."""

    def __init__(self, gitea, folder):
        self.gitea = gitea
        self.name = gitea.repository(private=True)
        self.repository = Repository(folder / "srv")
        shutil.rmtree(self.repository.folder)
        self.repository.folder = gitea.on_disk(self.name)
        self.settings = Settings(home=folder / "home")
        secrets = self.settings.home / "secrets"
        secrets.mkdir(parents=True)
        (secrets / "hook-models").write_text("marks comments\n")
        (secrets / "login-models").write_text(gitea.token())
        self.host = self.opened()
        self.commit = self.repository.commit

    def opened(self):
        """Another process's adapter."""
        source = Source("models", "gitea", f"{self.gitea.url}/{self.name}")
        return plugins.load("git_hosts", "gitea").open(self.settings, source)

    def move(self, ref, commit):
        self.repository.git("update-ref", ref, commit)

    def delete(self, ref):
        self.repository.git("update-ref", "-d", ref)

    def vanish(self):
        self.gitea.api("DELETE", f"/repos/{self.name}")

    def joins(self, login, group):
        """Let the person be in the team, of an organisation that is made for it."""
        organisation, team = group.split("/")
        self.gitea.api("POST", "/orgs", {"username": organisation})
        told = {"name": team, "permission": "read", "units": ["repo.code"]}
        number = self.gitea.api("POST", f"/orgs/{organisation}/teams", told)["id"]
        self.gitea.api("PUT", f"/teams/{number}/members/{login}")

    def knows(self, login, permission):
        """Let the person do so much there; made where there is nobody of that name."""
        self.gitea.person(login)
        self.gitea.api("PUT", f"/repos/{self.name}/collaborators/{login}", {"permission": permission.value})

    def places(self):
        """Two places where people talk."""
        made = [self.gitea.api("POST", f"/repos/{self.name}/issues", {"title": "Talk"}) for _ in range(2)]
        return [f"issue/{one['number']}" for one in made]

    def said(self, where):
        """The comments at a place, without their marks."""
        number = where.partition("/")[2]
        listed = self.gitea.api("GET", f"/repos/{self.name}/issues/{number}/comments")
        return [one["body"].partition("\n")[2] for one in listed]

    def statuses(self, commit):
        """State and line of each context, as Gitea shows them on the commit."""
        found = self.gitea.api("GET", f"/repos/{self.name}/commits/{commit}/status")["statuses"] or ()
        return {one["context"]: (one["status"], one["description"]) for one in found}


@pytest.fixture
def world(gitea, tmp_path):
    return OnGitea(gitea, tmp_path)


# --- reports ---------------------------------------------------------------------------------


def test_a_report_is_a_status_of_each_key_and_the_newest_counts(world):
    commit = world.commit({"a": b"1"})
    for state, title in ((CommitState.PENDING, "begun"), (CommitState.SUCCESS, "done")):
        world.host.report(contract.status(commit, state=state, title=title))
    world.host.report(contract.status(commit, "segue/other", CommitState.FAILURE, "x" * 2_000))
    statuses = world.statuses(commit)
    assert statuses["segue/wine/production"] == ("success", "done")
    assert statuses["segue/other"] == ("failure", "x" * 254 + "…")
    assert world.host.refs() == {contract.MAIN: commit}


def test_the_pull_request_of_a_commit_has_one_comment_with_all_that_is_told_of_it(world, tmp_path):
    clone = tmp_path / "work"
    git("clone", "--quiet", world.gitea.remote(world.name), str(clone), cwd=tmp_path)
    push(clone, {"a": b"1"})
    push(clone, {"a": b"2"}, "HEAD:better")
    commit = git("rev-parse", "HEAD", cwd=clone).decode()
    made = world.gitea.api(
        "POST", f"/repos/{world.name}/pulls", {"head": "better", "base": "main", "title": "Better"}
    )
    for key in ("segue/a", "segue/b", "segue/a"):
        world.host.report(
            contract.status(
                commit, key, CommitState.FAILURE, "@ada ``` bad", "f1 is 0.2\n\n```\n/segue abort"
            )
        )
    (body,) = world.said(f"pull/{made['number']}")
    told = "[failure] {}: @ada ``` bad\n    f1 is 0.2\n\n    ```\n    /segue abort"
    assert body == "````text\n" + told.format("segue/a") + "\n\n" + told.format("segue/b") + "\n````"


def test_a_comment_that_somebody_copied_is_not_taken_for_ours(world):
    where, _ = world.places()
    world.host.comment(where, "k", "begun")
    number = where.partition("/")[2]
    path = f"/repos/{world.name}/issues/{number}/comments"
    copied = world.gitea.api("GET", path)[0]["body"]
    world.gitea.api("POST", path, {"body": copied})
    world.gitea.api("POST", path, {"body": "<!-- segue 0123 -->\nforged"})
    world.host.comment(where, "k", "done")
    assert world.said(where) == ["done", "begun", "forged"]


def test_new_comments_with_commands_are_told_as_their_webhooks_would_and_edited_ones_are_not(world, tmp_path):
    clone = tmp_path / "work"
    git("clone", "--quiet", world.gitea.remote(world.name), str(clone), cwd=tmp_path)
    push(clone, {"a": b"1"})
    push(clone, {"a": b"2"}, "HEAD:better")
    commit = git("rev-parse", "HEAD", cwd=clone).decode()
    pull = world.gitea.api(
        "POST", f"/repos/{world.name}/pulls", {"head": "better", "base": "main", "title": "Better"}
    )["number"]
    talk = f"/repos/{world.name}/issues/{pull}/comments"
    world.host.comment(f"pull/{pull}", "k", "/segue abort rel-1")
    world.gitea.api("POST", talk, {"body": "well done"})
    made = world.gitea.api("POST", talk, {"body": "/segue abort rel-7"})
    changed = world.gitea.api("POST", talk, {"body": "well done, too"})
    time.sleep(1.1)  # Gitea tells whole seconds
    world.gitea.api("PATCH", f"/repos/{world.name}/issues/comments/{changed['id']}", {"body": "/segue help"})
    (said,) = world.host.remarks(commit)
    assert (said.login, said.text, said.where) == ("ada", "/segue abort rel-7", f"pull/{pull}")
    assert (said.comment, said.author) == (str(made["id"]), str(made["user"]["id"]))
    assert said.written == datetime.fromisoformat(made["created_at"]).timestamp()
    assert not world.host.fine_times


# --- people and hooks ------------------------------------------------------------------------


def test_the_author_is_told_by_the_login_that_gitea_knows_them_by(world, tmp_path):
    world.gitea.person("cleo", "Cleo of the River")
    clone = tmp_path / "work"
    git("clone", "--quiet", world.gitea.remote(world.name), str(clone), cwd=tmp_path)
    (clone / "a").write_text("1")
    git("add", "a", cwd=clone)
    name = {"GIT_AUTHOR_NAME": "Cleo of the River", "GIT_AUTHOR_EMAIL": "cleo@example.test"}
    git("commit", "--quiet", "-m", "x", cwd=clone, env=name)
    git("push", "--quiet", "origin", "HEAD:main", cwd=clone)
    assert world.host.author(git("rev-parse", "HEAD", cwd=clone).decode()) == "cleo"


def test_a_webhook_is_set_once_and_one_of_another_address_stays(world):
    hooks = f"/repos/{world.name}/hooks"
    theirs, ours = "http://127.0.0.1:9/hooks/theirs", "http://127.0.0.1:9/hooks/models"
    world.host.register_webhook(theirs, "a")
    assert not world.host.has_webhook(ours)
    for secret in ("one", "two"):
        world.host.register_webhook(ours, secret)
    assert world.host.has_webhook(ours)
    found = {hook["config"]["url"]: hook for hook in world.gitea.api("GET", hooks)}
    assert len(world.gitea.api("GET", hooks)) == len(found) == 2
    assert set(found[ours]["events"]) == {"push", "create", "delete", "issue_comment", "pull_request_comment"}
    world.gitea.api("PATCH", f"{hooks}/{found[ours]['id']}", {"active": False})
    assert not world.host.has_webhook(ours)


def test_what_a_login_lacks_is_said_with_the_file_to_write(world):
    commit = world.commit({"a": b"1"})
    world.host.refs()
    world.gitea.person("guest")
    for token, reason in (
        ("no-token", "login-models"),
        (world.gitea.token("ada", "read:repository"), "write:repository"),
        (world.gitea.token("guest"), "hidden from the login of models"),
    ):
        (world.settings.home / "secrets" / "login-models").write_text(token)
        with pytest.raises(PortError, match=reason):
            world.opened().report(contract.status(commit))
