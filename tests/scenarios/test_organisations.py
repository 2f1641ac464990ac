"""One hook for a whole organisation: what holds a `segue.yaml` acts, the rest is told of and starts nothing."""

import hashlib
import hmac
import json

import pytest

from policies.release import Phase
from service.adapters.memory.git import MAIN, MemoryGit
from service.adapters.memory.organisation import MemoryOrganisation
from service.arrivals import organisations
from service.arrivals.organisations import MOST_ASKED, WHOLE_SECONDS
from service.engine import happened
from service.ports.connections import Source
from service.ports.git import Permission
from tests.scenarios.conftest import SECRET, WINE, World

ACME = Source("acme", "gitea-org", "https://git.example/acme", ("wine/*", "beer/*"))
FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}
PEOPLE = {"ann": 1, "bob": 2}


class Organised(World):
    """An installation with an organisation of repositories."""

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.acme = self.hosts["acme"] = MemoryOrganisation(ACME.url)
        self.parts.open_source = self.open

    def open(self, source):
        if source.name in self.hosts:
            return self.hosts[source.name]
        return self.acme.hosts[f"acme/{source.url.rpartition('/')[2]}"]

    def repository(self, name, files=None):
        """A repository that nobody told of; pushed to now."""
        host = self.acme.hosts[f"acme/{name}"] = MemoryGit()
        host.people = {"ann": Permission.ADMIN, "bob": Permission.WRITE}
        self.commit(name, files or {"README.md": name})
        return host

    def commit(self, name, files, ref=MAIN):
        """A push that nobody told of; the commit."""
        self.acme.changed[f"acme/{name}"] = self.clock.now
        content = {path: text.encode() for path, text in files.items()}
        return self.acme.hosts[f"acme/{name}"].commit(content, ref=ref)

    def start(self):
        """Connect the organisation, and have it looked through."""
        with self.store.change() as change:
            change.save_source(ACME)
            organisations.connect(change, ACME, tuple(self.acme.repositories()))
        self.settle()

    def deliver(self, event, body):
        body = json.dumps(body).encode()
        self.deliveries += 1
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        names = {"Event": event, "Delivery": f"g{self.deliveries}", "Signature": signature}
        headers = {f"X-Gitea-{name}": value for name, value in names.items()}
        assert self.intake.post("/hooks/acme", data=body, headers=headers).status_code == 202
        self.settle()
        return happened.page(self.store, self.inbox, source="acme", failed=False, before=None).events[0].text

    def told(self, name, commit, ref=MAIN):
        """The delivery of a push; what became of it."""
        told = {"ref": ref, "before": "0" * 40, "after": commit, "sender": {"id": 1, "login": "ann"}}
        return self.deliver("push", told | {"repository": {"full_name": f"acme/{name}"}})

    def sweep(self):
        self.clock.now += self.settings.sweep_seconds
        self.settle()

    def members(self):
        return {s.name: s.url for s in self.store.sources() if s.member}


@pytest.fixture
def world(tmp_path, stores):
    made = Organised(tmp_path, **stores)
    yield made
    made.close()


def test_what_is_there_already_is_learned_and_starts_nothing(world):
    world.repository("models", FILES)
    world.repository("site")
    world.start()
    assert world.members() == {"acme.models": "https://git.example/acme/models"}
    assert [row.source for row in world.store.models()] == ["acme.models"]
    assert world.releases() == []


def test_a_push_to_a_member_releases_by_the_hook_of_the_organisation(world):
    world.repository("models", FILES)
    world.start()
    commit = world.commit("models", {"serve.py": "2"})
    assert "1 change" in world.told("models", commit)
    (release,) = world.releases()
    assert (release.model, release.cause.source, release.cause.commit) == ("wine", "acme.models", commit)
    assert world.acme.hosts["acme/models"].reports[-1].commit == commit


def test_a_push_to_a_member_is_found_by_the_sweep_alone(world):
    world.repository("models", FILES)
    world.start()
    world.commit("models", {"serve.py": "2"})
    world.sweep()
    assert len(world.releases()) == 1


def test_a_repository_without_a_declaration_is_answered_with_the_reason_and_does_nothing(world):
    world.repository("site")
    world.start()
    text = world.told("site", world.commit("site", {"index.html": "x"}))
    assert text == "acme/site is not connected: its default branch holds no segue.yaml, as far as is known"
    assert world.members() == {}
    assert world.releases() == []


@pytest.mark.parametrize("told", [True, False], ids=["by hook", "by sweep"])
def test_the_first_declaration_that_is_pushed_makes_it_a_member_and_releases(world, told):
    world.repository("site")
    world.start()
    world.clock.now += 5.0
    commit = world.commit("site", FILES)
    world.commit("site", {"note": "x"}, ref="refs/heads/other")
    if told:
        assert "is connected now" in world.told("site", commit)
    else:
        world.sweep()
        world.sweep()
    assert set(world.members()) == {"acme.site"}
    (release,) = world.releases()
    assert release.cause.commit == commit
    if told:
        assert world.store.record_of(f"commit-{commit}")[0].actor == "acme:ann"


def test_a_new_repository_is_found_and_an_old_one_that_moved_in_is_only_learned(world):
    world.repository("site")
    world.start()
    world.clock.now += 5.0
    world.repository("moved", {**FILES, "segue.yaml": WINE.replace("wine", "beer")})
    world.acme.changed["acme/moved"] = 1_000.0
    world.repository("models", FILES)
    world.clock.now += WHOLE_SECONDS
    world.settle()
    world.sweep()
    assert set(world.members()) == {"acme.models", "acme.moved"}
    assert [release.model for release in world.releases()] == ["wine"]


def test_a_comment_in_a_member_counts_there_and_its_author_is_known_by_the_organisations_name(world):
    world.repository("models", FILES)
    world.start()
    commit = world.commit("models", {"segue.yaml": WINE + "approvals: {count: 1, from: ['acme:bob']}\n"})
    world.told("models", commit)
    (release,) = world.releases()
    assert release.phase is Phase.APPROVAL
    person = {"id": 2, "login": "bob"}
    said = {"id": 5, "body": f"/segue approve {release.name} {release.plan[:19]}", "user": person}
    told = {"action": "created", "is_pull": True, "issue": {"number": 7}, "comment": said, "sender": person}
    other = world.deliver("issue_comment", told | {"repository": {"full_name": "acme/site"}})
    assert "acme/site is not connected" in other
    assert world.release(release.name).phase is Phase.APPROVAL
    world.deliver("issue_comment", told | {"repository": {"full_name": "acme/models"}})
    assert world.release(release.name).phase is not Phase.APPROVAL
    assert [one.actor for one in world.release(release.name).approvals] == ["acme:bob"]


def test_a_member_owns_no_more_than_the_organisation_was_given(world):
    world.repository("models", {**FILES, "segue.yaml": WINE.replace("wine", "gin")})
    world.start()
    commit = world.commit("models", {"serve.py": "2"})
    world.told("models", commit)
    assert world.releases() == []
    assert "may not own gin/production" in world.acme.hosts["acme/models"].reports[-1].text


def test_a_repository_that_is_connected_by_itself_is_not_connected_twice(world):
    host = world.repository("models", FILES)
    world.connect(Source("apart", "gitea", "https://git.example/acme/models"), host)
    world.start()
    assert world.members() == {}
    text = world.told("models", world.commit("models", {"serve.py": "2"}))
    assert text == "acme/models is connected by itself, as apart"


def test_one_that_is_archived_leaves_with_its_models_and_comes_back_quietly(world):
    host = world.repository("models", FILES)
    world.start()
    del world.acme.hosts["acme/models"]
    world.clock.now += WHOLE_SECONDS
    world.settle()
    assert world.members() == {}
    assert world.store.models() == []
    world.acme.hosts["acme/models"] = host
    world.clock.now += WHOLE_SECONDS
    world.settle()
    world.sweep()
    assert set(world.members()) == {"acme.models"}
    assert len(world.store.models()) == 1
    assert world.releases() == []


def test_one_that_was_renamed_keeps_its_models_and_its_next_push_releases(world):
    world.repository("models", FILES)
    world.start()
    world.acme.hosts["acme/renamed"] = world.acme.hosts.pop("acme/models")
    commit = world.commit("renamed", {"serve.py": "2"})
    world.told("renamed", commit)
    assert set(world.members()) == {"acme.renamed"}
    (release,) = world.releases()
    assert release.cause.commit == commit


def test_a_big_organisation_costs_few_questions_a_look_and_none_where_nothing_was_pushed(world):
    for number in range(3 * MOST_ASKED):
        world.repository(f"site-{number}")
    world.repository("models", FILES)
    world.acme.changed["acme/models"] = 1.0
    world.start()
    assert len(world.acme.asked) <= 2 * MOST_ASKED
    for _ in range(4):
        world.sweep()
    assert set(world.members()) == {"acme.models"}
    assert sorted(world.acme.asked) == sorted(world.acme.hosts)
    asked = len(world.acme.asked)
    for _ in range(3):
        world.sweep()
    assert len(world.acme.asked) == asked
