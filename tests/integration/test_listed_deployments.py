"""What only GitHub's and GitLab's own words for deployments show: others' are left alone, and nothing waits for checks."""

import pytest

from service.arrivals import connecting
from service.ports.git import CommitState, CommitStatus, Deployment, DeploymentState
from service.ports.outcomes import Refused
from tests.hosting.server import READ
from tests.hosting.worlds import TOKEN, OnGitHub, OnGitLab

QUEUED, GOES_ON, SUCCESS, FAILURE, INACTIVE = DeploymentState
ENVIRONMENT = "wine/production"
SERVED = "https://models.example/wine/production"
PAGE = "https://segue.example/-/releases/rel-1"


@pytest.fixture
def github(tmp_path):
    made = OnGitHub(tmp_path / "github")
    with made.server:
        yield made


@pytest.fixture
def gitlab(tmp_path):
    made = OnGitLab(tmp_path / "gitlab")
    with made.server:
        yield made


def told(commit, state, key="rel-1-5.000", title="rel-1 goes on", environment=ENVIRONMENT):
    served = SERVED if state is SUCCESS else ""
    return Deployment(commit, environment, key, state, title, PAGE, served)


def test_at_github_a_pending_status_is_no_condition_and_addresses_and_words_are_told(github):
    commit = github.commit({"a": b"1"})
    github.host.report(CommitStatus(commit, f"segue/{ENVIRONMENT}", CommitState.PENDING, "goes on", ""))
    for state in (GOES_ON, SUCCESS):
        github.host.deploy(told(commit, state, title="a\nb\x1b[2J" + "x" * 300))
    (made,) = github.server.deployments
    assert (made["environment"], made["production_environment"], made["ref"]) == (ENVIRONMENT, True, commit)
    first, last = made["statuses"]
    assert "environment_url" not in first
    assert (last["log_url"], last["environment_url"], last["auto_inactive"]) == (PAGE, SERVED, False)
    assert (len(last["description"]), last["description"].isprintable()) == (140, True)


def test_at_github_an_environment_that_is_not_production_is_called_none(github):
    commit = github.commit({"a": b"1"})
    github.host.deploy(told(commit, GOES_ON, environment="wine/staging"))
    assert github.server.deployments[0]["production_environment"] is False


def test_at_github_payloads_may_come_as_texts_and_what_is_none_of_ours_is_left_alone(github):
    commit = github.commit({"a": b"1"})
    github.host.deploy(told(commit, GOES_ON))
    (ours,) = github.server.deployments
    ours["payload"] = '{"segue": "rel-1-5.000"}'
    others = {"sha": commit, "ref": commit, "environment": ENVIRONMENT, "payload": ""}
    action = {**others, "id": 900, "task": "deploy", "statuses": [{"id": 901, "state": "success"}]}
    strange = [
        {**others, "id": 910 + n, "task": "segue", "payload": payload, "statuses": []}
        for n, payload in enumerate(("{", "[1]", None, [], {}, '"x"'))
    ]
    github.server.deployments[:0] = [action, *strange]
    github.host.deploy(told(commit, SUCCESS))
    assert [one["state"] for one in ours["statuses"]] == ["in_progress", "success"]
    assert [one["state"] for one in action["statuses"]] == ["success"]
    assert len(github.server.deployments) == 8


def test_at_github_a_promotion_asks_no_further_than_what_was_retired_before(github):
    commits = [github.commit({"a": str(n).encode()}) for n in range(4)]
    for n, commit in enumerate(commits):
        for state in (GOES_ON, SUCCESS):
            github.server.asked.clear()
            github.host.deploy(told(commit, state, key=f"rel-{n}"))
    assert len(github.server.asked) <= 6
    assert [state for _, state in github.deployed(ENVIRONMENT)] == ["success"] + ["inactive"] * 3


def test_at_github_ours_is_found_however_many_there_are_since(github):
    commit = github.commit({"a": b"1"})
    github.host.deploy(told(commit, GOES_ON))
    (ours,) = github.server.deployments
    waiting = [{"id": 1, "state": "queued"}]
    later = [
        {**ours, "id": 1000 + n, "sha": "b" * 40, "payload": {"segue": f"rel-{n}"}, "statuses": waiting}
        for n in range(130)
    ]
    github.server.deployments[:0] = later
    github.host.deploy(told(commit, FAILURE))
    assert len(github.server.deployments) == 131
    assert [one["state"] for one in ours["statuses"]] == ["in_progress", "failure"]


def test_at_gitlab_jobs_deployments_are_left_alone_and_the_environment_leads_to_the_model(gitlab):
    commit = gitlab.commit({"a": b"1"})
    gitlab.host.deploy(told(commit, GOES_ON))
    job = gitlab.server.deployments[0] | {"id": 900, "deployable": {"id": 1}, "status": "running"}
    gitlab.server.deployments.insert(0, job)
    for _ in range(2):
        gitlab.host.deploy(told(commit, SUCCESS))
    assert [one["status"] for one in gitlab.server.deployments] == ["running", "success"]
    assert gitlab.server.environments[ENVIRONMENT]["external_url"] == SERVED
    assert {one["ref"] for one in gitlab.server.deployments} == {"main"}


def test_at_gitlab_where_people_had_the_environment_lead_it_stays(gitlab):
    commit = gitlab.commit({"a": b"1"})
    gitlab.host.deploy(told(commit, GOES_ON))
    gitlab.server.environments[ENVIRONMENT]["external_url"] = "https://people.example"
    gitlab.host.deploy(told(commit, SUCCESS))
    assert gitlab.server.environments[ENVIRONMENT]["external_url"] == "https://people.example"


def test_whoever_connects_is_told_whether_deployments_are(github, gitlab):
    for world in (github, gitlab):
        assert connecting.deployments(world.source, world.host) == ["deployments: told of"]
        world.may_deploy(may=False)
        (line,) = connecting.deployments(world.source, world.host)
        assert line.startswith("no deployments are told: the login")
        assert world.server.deployments == []
    github.vanish()
    (line,) = connecting.deployments(github.source, github.host)
    assert "it is gone" in line


def test_a_login_that_only_reads_is_refused_nothing_and_tells_nothing(github):
    commit = github.commit({"a": b"1"})
    github.server.tokens[TOKEN] = READ
    github.host.deploy(told(commit, GOES_ON))
    assert github.server.deployments == []
    with pytest.raises(Refused):
        github.host.report(CommitStatus(commit, "segue/x", CommitState.SUCCESS, "done", ""))
