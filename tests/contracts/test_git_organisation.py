"""What every organisation at a Git host must do; the real Gitea is held to it in tests/hosts."""

from datetime import UTC, datetime

import pytest

from service import plugins
from service.adapters.hosts import bitbucket
from service.adapters.memory.git import MemoryGit
from service.adapters.memory.organisation import MemoryOrganisation
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from tests.hosting.bitbucket import Bitbucket
from tests.hosting.github import GitHub
from tests.hosting.gitlab import GitLab
from tests.hosting.server import ADMIN
from tests.repositories import Repository

TOKEN = "a-token-of-segue"
HOOK = "https://segue.example/hooks/acme"
AT = 1_700_000_000.0


class InMemory:
    """Everything is done by hand."""

    def __init__(self):
        self.organisation = MemoryOrganisation("https://git.example/acme")
        self.url = "https://git.example/acme"

    def has(self, name, files, at=AT):
        self.organisation.hosts[name] = host = MemoryGit()
        self.organisation.changed[name] = at
        if files:
            host.commit(dict.fromkeys(files, b"x"))

    def archive(self, name):
        del self.organisation.hosts[name]

    leave = archive


class Served:
    """A server that answers as the host's documentation says."""

    kind = server_of = ""

    def __init__(self, folder):
        self.server = self.server_of(Repository(folder / "srv", "acme.git"))
        self.server.tokens[TOKEN] = ADMIN
        self.url = f"{self.server.url}/acme"
        settings = Settings(home=folder / "home")
        (settings.home / "secrets").mkdir(parents=True)
        (settings.home / "secrets" / "login-acme").write_text(TOKEN)
        self.organisation = self.opened(settings, Source("acme", self.kind, self.url))

    def opened(self, settings, source):
        return plugins.load("git_organisations", self.kind).open(settings, source)

    def has(self, name, files, at=AT):
        self.server.organised[name] = self.told(name, at) | {"archived": False, "files": files}

    def archive(self, name):
        self.server.organised[name]["archived"] = True

    def leave(self, name):
        del self.server.organised[name]


def written(at):
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class OnGitHub(Served):
    kind, server_of = "github-org", GitHub

    def told(self, name, at):
        return {
            "full_name": name,
            "pushed_at": written(at) if at else None,
            "html_url": "http://other.invalid",
        }


class OnGitLab(Served):
    kind, server_of = "gitlab-group", GitLab

    def told(self, name, at):
        return {"path_with_namespace": name, "last_activity_at": written(at)}


class OnBitbucket(Served):
    """At Bitbucket Cloud, which has one address only: this one stands in for it. It archives nothing."""

    kind, server_of = "bitbucket-workspace", Bitbucket

    def opened(self, settings, source):
        bitbucket.ROOTS[self.server.url] = f"{self.server.url}/2.0"
        return super().opened(settings, source)

    def told(self, name, at):
        return {"full_name": name, "updated_on": written(at), "mainbranch": {"name": "team/main"}}

    def has(self, name, files, at=AT):
        super().has(name, files, at)
        if not files:
            self.server.organised[name]["mainbranch"] = None

    def archive(self, name):
        self.leave(name)


@pytest.fixture(params=["memory", OnGitHub, OnGitLab, OnBitbucket])
def world(request, tmp_path):
    if request.param == "memory":
        yield InMemory()
        return
    made = request.param(tmp_path)
    with made.server:
        yield made


def test_repositories_are_told_by_name_address_and_time_the_newest_first(world):
    for number in range(250):
        world.has(f"acme/r{number}", ["a"], AT + number)
    found = list(world.organisation.repositories())
    assert [one.path for one in found] == [f"acme/r{number}" for number in reversed(range(250))]
    assert (found[0].url, found[0].changed) == (f"{world.url}/r249", AT + 249)


def test_one_that_is_archived_or_gone_is_left_out(world):
    for name in ("acme/kept", "acme/archived", "acme/gone"):
        world.has(name, ["a"])
    world.archive("acme/archived")
    world.leave("acme/gone")
    assert [one.path for one in world.organisation.repositories()] == ["acme/kept"]
    assert world.organisation.repository("acme/kept").changed == AT
    assert world.organisation.repository("acme/archived") is None
    assert world.organisation.repository("acme/gone") is None


def test_a_declaration_counts_in_any_folder_and_nothing_else_does(world):
    world.has("acme/top", ["segue.yaml", "a"])
    world.has("acme/deep", [f"f{number:04}" for number in range(300)] + ["models/wine/segue.yaml"])
    world.has("acme/none", ["segue.yaml.bak", "my-segue.yaml", "docs/segue.yml", "segue.yaml.d/x"])
    world.has("acme/empty", [])
    told = {name: world.organisation.declares(f"acme/{name}") for name in ("top", "deep", "none", "empty")}
    assert told == {"top": True, "deep": True, "none": False, "empty": False}


def test_a_webhook_is_set_once_for_the_whole_organisation(world):
    assert not world.organisation.has_webhook(HOOK)
    for secret in ("one", "two"):
        world.organisation.register_webhook(HOOK, secret)
    assert world.organisation.has_webhook(HOOK)
    assert not world.organisation.has_webhook(f"{HOOK}-other")


# --- of those over HTTP ------------------------------------------------------------------------


@pytest.fixture(params=[OnGitHub, OnGitLab, OnBitbucket])
def served(request, tmp_path):
    made = request.param(tmp_path)
    with made.server:
        yield made


@pytest.mark.parametrize(
    "path",
    [
        "",
        "other/models",
        "acme",
        "acme/",
        "acme/..",
        "acme/../x",
        "acme/a b",
        "acme/a?b",
        "acme/a\n",
        "/acme/a",
    ],
)
def test_a_name_that_is_none_of_the_organisations_is_not_asked_for(served, path):
    assert served.organisation.repository(path) is None
    assert served.organisation.declares(path) is False
    assert served.server.asked == []


def test_an_organisation_that_the_login_may_not_see_is_refused_by_name(served):
    served.server.tokens[TOKEN] = 0
    with pytest.raises(Refused, match="is no organisation that the login may see"):
        list(served.organisation.repositories())


def test_one_that_has_another_name_by_now_is_not_followed(tmp_path):
    made = OnGitHub(tmp_path)
    with made.server:
        made.has("acme/old", ["a"])
        made.server.renamed.add("acme/old")
        assert made.organisation.repository("acme/old") is None


def test_a_tree_that_github_cuts_is_taken_for_a_declaration(tmp_path):
    made = OnGitHub(tmp_path)
    with made.server:
        made.has("acme/huge", [f"f{number}" for number in range(1200)])
        assert made.organisation.declares("acme/huge")


def test_files_that_bitbucket_takes_too_long_to_list_are_taken_for_a_declaration(tmp_path):
    made = OnBitbucket(tmp_path)
    with made.server:
        made.has("acme/huge", ["a"])
        assert not made.organisation.declares("acme/huge")
        made.server.costly = True
        assert made.organisation.declares("acme/huge")


def test_a_workspace_is_one_of_bitbucket_cloud(tmp_path):
    source = Source("ml", "bitbucket-workspace", "https://bitbucket.example/ml")
    with pytest.raises(Refused, match="connect each repository of a Data Center by itself"):
        plugins.load("git_organisations", source.kind).open(Settings(home=tmp_path), source)


def test_a_hook_of_an_organisation_is_asked_for_what_was_lost(tmp_path):
    made = OnGitHub(tmp_path)
    with made.server:
        made.organisation.register_webhook(HOOK, "one")
        made.server.deliver("lost", 503, AT, "issue_comment")
        made.server.taken = True
        assert made.organisation.redeliver(HOOK, AT + 1000) == 1
        assert ("POST", "/api/v3/orgs/acme/hooks/1/deliveries/2/attempts") in made.server.asked
