"""A Git host's list of deployments: each release of its commits once, as it goes on; what serves is what succeeded."""

import json

import pytest

from handlers import github, gitlab
from policies.release import Phase
from service.adapters.memory.builder import MemoryBuilder
from service.adapters.memory.git import MemoryGit
from service.ports.connections import Source
from service.ports.git import DeploymentState
from service.ports.outcomes import Retry
from tests.scenarios.conftest import WINE, World

WINE = WINE.replace("[10%, 30%, 60%, 100%]", "[50%, 100%]").replace("watch: 10s", "watch: 2s")
FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}
QUEUED, GOES_ON, SUCCESS, FAILURE, INACTIVE = DeploymentState


class Listing(MemoryGit):
    """Remembers each state that it was told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def deploy(self, deployment):
        self.told.append((deployment.key.rpartition("-")[0], deployment.state))
        super().deploy(deployment)


class Hosted(World):
    """The same, with its repository at a host that lists deployments, and is swept."""

    def __init__(self, home, kind="github", **settings):
        super().__init__(home, **settings)
        self.host = self.connect(Source("code", kind, f"https://{kind}.example/acme/wine"), Listing())

    def push(self, files, **more):
        commit = super().push(files, source="code", told=False, **more)
        self.clock.now += self.settings.sweep_seconds
        return commit

    def released(self, files):
        """A push, promoted; the commit."""
        commit = self.push(files)
        self.settle()
        name = self.releases()[-1].name
        self.play(40, until=name)
        assert self.release(name).phase is Phase.PROMOTED
        self.drain()
        return commit

    def listed(self):
        return [(one.commit, one.environment, one.state) for one in self.host.deployments]


@pytest.fixture
def world(tmp_path):
    world = Hosted(tmp_path, web_url="https://segue.example/")
    yield world
    world.close()


def states(world, release):
    told = [(key, state) for key, state in world.host.told if key == release]
    return [state for _, state in told]


def test_a_release_is_listed_as_it_goes_on_and_takes_the_place_of_the_one_before_also_on_the_way_back(world):
    one = world.released(FILES)
    two = world.released({"serve.py": "2"})
    where = "wine/production"
    assert world.listed() == [(two, where, SUCCESS), (one, where, INACTIVE)]
    assert states(world, "rel-2") == [GOES_ON, SUCCESS]
    newest = world.host.deployments[0]
    assert newest.log_url == "https://segue.example/-/releases/rel-2"
    assert newest.environment_url == "http://router.invalid/wine/production"
    assert newest.title == "rel-2 on wine/production is promoted"
    reported = world.host.reports[-1]
    assert reported.url == newest.log_url
    assert ("outcome", "promoted", "proven by its guards") in reported.rows
    assert world.say("rollback", "wine").ok
    world.play(20, until="rel-3")
    world.drain()
    assert world.release("rel-3").phase is Phase.PROMOTED
    assert world.listed() == [(one, where, SUCCESS), (two, where, INACTIVE), (one, where, INACTIVE)]


def test_what_is_rolled_back_has_failed_and_what_served_before_still_does(world):
    one = world.released(FILES)
    two = world.push({"serve.py": "2"})
    world.settle()
    world.serve(1500, {world.releases()[-1].backend: 0.5})
    world.play(40, until="rel-2")
    world.drain()
    assert world.release("rel-2").phase is Phase.ROLLED_BACK
    assert world.listed() == [(two, "wine/production", FAILURE), (one, "wine/production", SUCCESS)]


def test_what_waits_for_people_is_queued_and_what_they_refuse_has_failed(world):
    world.push(FILES | {"segue.yaml": WINE + "approvals: {count: 1}\n"})
    world.settle()
    assert [state for *_, state in world.listed()] == [QUEUED]
    assert world.say("reject", "rel-1").ok
    assert [state for *_, state in world.listed()] == [FAILURE]


def test_what_ended_before_its_version_was_ready_is_not_listed(world):
    world.parts.builder = MemoryBuilder(looks=1000, clock=world.clock)
    world.push(FILES)
    world.drain()
    assert world.say("abort", "rel-1").ok
    assert world.release("rel-1").phase is Phase.ABORTED
    assert world.listed() == []


def test_where_nothing_is_changed_nothing_is_listed(world):
    world.push(FILES | {"segue.yaml": WINE + "mode: observe\n"})
    world.settle()
    assert world.listed() == []


def test_a_host_without_such_a_list_is_told_nothing(tmp_path):
    world = Hosted(tmp_path, kind="gitea")
    world.released(FILES)
    assert world.host.told == []
    world.close()


def test_a_host_that_is_away_holds_up_no_weight_and_is_told_in_order_when_it_is_back(tmp_path, monkeypatch):
    world = Hosted(tmp_path, web_url="http://127.0.0.1:8471")  # which leads nobody else here
    monkeypatch.setattr(world.router, "address", lambda target: f"http://127.0.0.1:8480/{target}")

    def away(_):
        raise Retry("the host is away", after=1)

    world.host.deploy, told = away, world.host.deploy
    one = world.released(FILES)
    assert world.listed() == []
    world.host.deploy = told
    world.clock.now += 60.0
    world.settle()
    assert world.listed() == [(one, "wine/production", SUCCESS)]
    assert states(world, "rel-1") == [GOES_ON, SUCCESS]
    newest = world.host.deployments[0]
    assert (newest.log_url, newest.environment_url) == ("", "")
    world.close()


DEPLOYED = {
    "deployment": {
        "id": 1,
        "task": "segue",
        "sha": "a" * 40,
        "ref": "a" * 40,
        "environment": "wine/production",
    },
    "repository": {"full_name": "acme/wine"},
    "sender": {"login": "segue[bot]", "type": "Bot"},
}


@pytest.mark.parametrize("event", ["deployment", "deployment_status"])
def test_our_own_deployments_that_come_back_from_github_start_nothing(event):
    body = json.dumps(DEPLOYED | {"deployment_status": {"state": "success"}, "action": "created"}).encode()
    headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "d1"}
    assert github.parse(headers, body) == ()
    assert github.nothing(headers, body) == "a deployment, such as Segue's own, starts nothing"


def test_our_own_deployments_that_come_back_from_gitlab_start_nothing():
    told = {
        "object_kind": "deployment", "status": "success", "environment": "wine/production", "short_sha": "279484c0",
        "project": {"path_with_namespace": "acme/wine"}, "user": {"username": "project_1_bot"},
    }  # fmt: skip
    body = json.dumps(told).encode()
    headers = {"X-Gitlab-Event": "Deployment Hook", "Idempotency-Key": "k1"}
    assert gitlab.parse(headers, body) == ()
    assert gitlab.nothing(headers, body) == "a deployment, such as Segue's own, starts nothing"
