"""What everything that commits keeps, in a repository of a real Gitea: over HTTP, with a token."""

import pytest

from service import plugins
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from tests.contracts import test_git_writer as contract
from tests.repositories import Repository, git

globals().update({name: test for name, test in vars(contract).items() if name.startswith("test_")})


class Place:
    """A repository of Gitea's with one commit, and what writes to it with a token of somebody's."""

    def __init__(self, gitea, home):
        self.gitea, self.home = gitea, home
        self.name = gitea.repository(private=True)
        self.local = Repository(home / "local")
        self.local.commit({"README": b"hello"})
        self.push("HEAD:refs/heads/main")
        self.write_token(gitea.token())

    def push(self, *what):
        """As a person does who has a clone."""
        address = self.gitea.url.replace("://", f"://ada:{self.gitea.token()}@")
        self.local.git("push", "--quiet", "--force", f"{address}/{self.name}.git", *what)

    def write_token(self, token):
        secrets = self.home / "home" / "secrets"
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / "login-manifests").write_text(token)

    def writer(self, home="home"):
        source = Source("manifests", "gitea", f"{self.gitea.url}/{self.name}")
        return plugins.load("git_writers", "gitea").open(Settings(home=self.home / home), source)

    def tip(self):
        return git("rev-parse", "refs/heads/main", cwd=self.gitea.on_disk(self.name)).decode()


@pytest.fixture
def place(gitea, tmp_path):
    return Place(gitea, tmp_path)


@pytest.fixture
def writer(place):
    return place.writer()


def test_the_host_itself_has_the_commit_and_people_read_its_message(place, writer):
    commit = writer.write("main", {"apps/a.yaml": b"a: 1\n"}, "add a: 5 % of the requests")
    assert place.tip() == commit
    (told, *_) = place.gitea.api("GET", f"/repos/{place.name}/commits?sha=main")
    assert told["commit"]["message"].strip() == "add a: 5 % of the requests"
    assert told["commit"]["author"]["name"] == "Segue"


def test_what_people_push_in_between_stays(place, writer, monkeypatch):
    """Somebody pushes after the tip was read and before ours is pushed."""
    plain, pushed = writer.tip, []

    def tip(branch):
        found = plain(branch)
        if not pushed:
            pushed.append(place.local.commit({"theirs.yaml": b"t: 1\n"}))
            place.push("HEAD:refs/heads/main")
        return found

    monkeypatch.setattr(writer, "tip", tip)
    commit = writer.write("main", {"apps/a.yaml": b"a: 1\n"}, "add a")
    assert place.tip() == commit
    assert writer.read(commit, "theirs.yaml") == b"t: 1\n"
    assert writer.read(commit, "apps/a.yaml") == b"a: 1\n"


def test_what_was_pushed_over_in_between_is_not_brought_back(place, writer, monkeypatch):
    first = place.tip()
    writer.write("main", {"wrong.yaml": b"w: 1\n"}, "to be pushed over")
    plain, done = writer.tip, []

    def tip(branch):
        found = plain(branch)
        if not done:
            done.append(True)
            place.push(f"{first}:refs/heads/main")
        return found

    monkeypatch.setattr(writer, "tip", tip)
    commit = writer.write("main", {"apps/a.yaml": b"a: 1\n"}, "add a")
    assert place.tip() == commit
    assert writer.read(commit, "wrong.yaml") is None


def test_two_processes_that_write_at_once_both_get_through(place, writer):
    other = place.writer()
    writer.write("main", {"a.yaml": b"a: 1\n"}, "a")
    other.write("main", {"b.yaml": b"b: 1\n"}, "b")
    writer.write("main", {"a.yaml": b"a: 2\n"}, "a")
    assert sorted(other.names(other.tip("main"), "")) == ["README", "a.yaml", "b.yaml"]


def test_a_protected_branch_is_refused_in_the_host_s_words(place, writer):
    rule = {"rule_name": "main", "branch_name": "main", "enable_push": False}
    place.gitea.api("POST", f"/repos/{place.name}/branch_protections", rule)
    before = place.tip()
    with pytest.raises(Refused, match=r"does not take a commit to main from Segue: .*protected"):
        writer.write("main", {"a.yaml": b"a: 1\n"}, "a")
    assert place.tip() == before


def test_a_token_that_may_only_read_is_refused_with_what_to_do(place):
    place.write_token(place.gitea.token(scopes="read:repository"))
    with pytest.raises(Refused, match=r"login of manifests push to it; write a token .* login-manifests"):
        place.writer().write("main", {"a.yaml": b"a: 1\n"}, "a")


def test_the_token_is_in_no_file_of_the_mirror(place, writer):
    writer.write("main", {"a.yaml": b"a: 1\n"}, "a")
    token = place.gitea.token().encode()
    mirrors = [path for path in (place.home / "home" / "mirrors").rglob("*") if path.is_file()]
    assert mirrors
    assert not any(token in path.read_bytes() for path in mirrors)
