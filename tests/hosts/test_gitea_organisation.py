"""A real Gitea's organisation: its lists, its files and its one hook, which tells of two repositories."""

import json

import pytest

from service import plugins
from service.demo.place import segue
from service.ports.connections import Source
from service.settings import Settings
from tests.installation import Installation
from tests.repositories import git
from tests.running import wait_until

NEVER = "80000"  # seconds between two sweeps
SECONDS = 150
SCOPES = "write:repository,write:issue,write:organization"


def push(gitea, name, files, folder):
    """Commit these files to a repository of Gitea's; the commit."""
    clone = folder / name.replace("/", "-")
    if not clone.exists():
        git("clone", "--quiet", gitea.remote(name), str(clone), cwd=folder)
    for path, text in files.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(text)
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "-m", "Change", cwd=clone)
    git("push", "--quiet", "origin", "HEAD:main", cwd=clone)
    return git("rev-parse", "HEAD", cwd=clone).decode()


@pytest.fixture
def opened(gitea, tmp_path):
    """An organisation, and the adapter that Segue has for it."""
    name = gitea.organisation()
    settings = Settings(home=tmp_path / "home")
    (settings.home / "secrets").mkdir(parents=True)
    (settings.home / "secrets" / "login-acme").write_text(gitea.token(scopes=SCOPES))
    source = Source("acme", "gitea-org", f"{gitea.url}/{name}")
    return name, plugins.load("git_organisations", "gitea-org").open(settings, source)


def test_repositories_are_listed_the_newest_push_first_without_archived_ones(gitea, opened, tmp_path):
    name, organisation = opened
    first, second, archived = (gitea.repository(name) for _ in range(3))
    for repository in (first, second, archived):
        push(gitea, repository, {"a": "1"}, tmp_path)
    gitea.api("PATCH", f"/repos/{archived}", {"archived": True})
    before = {one.path: one.changed for one in organisation.repositories()}
    assert set(before) == {first, second}
    assert organisation.repository(archived) is None
    assert organisation.repository(first).url == f"{gitea.url}/{first}"

    def moved():
        push(gitea, first, {"a": str(len(list(tmp_path.rglob("*"))))}, tmp_path)
        return organisation.repository(first).changed > before[first]

    wait_until(moved, 60)  # its times are whole seconds
    assert next(organisation.repositories()).path == first


def test_a_declaration_is_found_in_any_folder_and_among_more_files_than_a_page_has(gitea, opened, tmp_path):
    name, organisation = opened
    empty, none, deep = (gitea.repository(name) for _ in range(3))
    push(gitea, none, {"segue.yaml.md": "x", "docs/a": "x"}, tmp_path)
    files = {f"data/{number:04}": "x" for number in range(1_500)}
    push(gitea, deep, {**files, "models/wine/segue.yaml": "name: wine"}, tmp_path)
    wait_until(lambda: organisation.declares(deep), 60)  # for some seconds Gitea says that it is empty
    assert [organisation.declares(one) for one in (empty, none)] == [False, False]


def test_one_that_was_renamed_or_belongs_to_others_is_none_of_it(gitea, opened):
    name, organisation = opened
    old = gitea.repository(name)
    gitea.api("PATCH", f"/repos/{old}", {"name": "renamed"})
    assert organisation.repository(old) is None
    assert organisation.repository(f"{name}/renamed").path == f"{name}/renamed"
    assert organisation.repository(gitea.repository()) is None


def test_its_hook_is_set_once(gitea, opened):
    name, organisation = opened
    address = "http://127.0.0.1:9/hooks/acme"
    for secret in ("one", "two"):
        organisation.register_webhook(address, secret)
    assert organisation.has_webhook(address)
    assert len(gitea.api("GET", f"/orgs/{name}/hooks")) == 1


def test_one_hook_releases_from_a_repository_that_declares_and_tells_why_not_from_another(gitea, tmp_path):
    name = gitea.organisation()
    models, site = (gitea.repository(name, private=True) for _ in range(2))
    here = Installation(tmp_path / "segue", SEGUE_SWEEP_SECONDS=NEVER).start()
    try:
        examples = tmp_path / "examples"
        examples.mkdir()
        here.repository.make(examples)
        git("remote", "set-url", "origin", gitea.remote(models), cwd=here.place.work)
        (here.place.home / "secrets" / "login-acme").write_text(gitea.token(scopes=SCOPES))
        words = ("connect", "gitea", f"{gitea.url}/{name}", "--name", "acme", "--json")
        told = json.loads(segue(here.place, *words))["told"]
        assert told[-1].startswith("webhook: ")
        assert "2 repositories are looked through for a segue.yaml" in told
        push(gitea, site, {"index.html": "x"}, tmp_path)
        commit = here.push(1)
        release = here.release_of(commit, SECONDS)
        assert release["phase"] == "promoted"
        path = f"/repos/{models}/commits/{commit}/status"
        wait_until(lambda: gitea.api("GET", path)["state"] == "success", SECONDS)
        texts = [one["text"] for one in here.client.events().page().rows]
        assert any(f"{site} is not connected" in text for text in texts)
        assert any(f"{models} holds a segue.yaml" in text for text in texts)
    finally:
        here.end()
