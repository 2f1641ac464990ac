"""The whole of Segue beside a real Gitea: real pushes, its real signed deliveries, and what people read there."""

import pytest

from service.demo.place import segue
from tests.hosts.whole import NEVER, SECONDS, OnGitea, eventually


@pytest.fixture
def started(gitea, tmp_path):
    made = []

    def start(**environ):
        made.append(OnGitea(gitea, tmp_path, **environ))
        return made[-1]

    yield start
    for one in made:
        one.installation.end()


def test_a_push_releases_by_its_webhook_alone_and_the_page_says_how_it_went(started):
    here = started(SEGUE_SWEEP_SECONDS=NEVER)
    told = here.connect(here.gitea.token())
    assert any(line.startswith("webhook: ") for line in told)
    commit = here.installation.push(1)
    release = here.installation.release_of(commit, SECONDS)
    assert release["phase"] == "promoted"
    eventually(lambda: any(one["status"] == "success" for one in here.statuses(commit).values()))
    ((context, status),) = here.statuses(commit).items()
    assert context == "segue/echo/production"
    assert release["name"] in status["description"]


def test_a_merged_pull_request_gets_one_comment_that_tells_each_release(started):
    here = started(SEGUE_SWEEP_SECONDS=NEVER)
    here.connect(here.gitea.token())
    here.git("commit", "--quiet", "--allow-empty", "-m", "Begin")
    here.git("push", "--quiet", "origin", "HEAD:main")
    here.git("switch", "--quiet", "--create", "better")
    here.installation.push(1)
    pull, commit = here.merged("better")
    release = here.installation.release_of(commit, SECONDS)
    assert release["phase"] == "promoted"
    eventually(lambda: any("[success] segue/echo/production" in body for body in here.comments(pull)))
    (body,) = here.comments(pull)
    assert body.startswith("<!-- segue ")
    assert release["name"] in body
    assert here.statuses(commit)["segue/echo/production"]["status"] == "success"


def test_a_comment_of_somebody_else_who_may_write_approves_and_lets_the_release_go_on(started):
    here = started(SEGUE_SWEEP_SECONDS=NEVER)
    here.connect(here.gitea.token())
    here.git("commit", "--quiet", "--allow-empty", "-m", "Begin")
    here.git("push", "--quiet", "origin", "HEAD:main")
    here.git("switch", "--quiet", "--create", "better")
    here.installation.push(1, more="approvals: {count: 1}\n")
    pull, commit = here.merged("better")
    eventually(lambda: here.release(commit).get("phase") == "approval")
    eventually(lambda: "to approve: /segue approve" in here.comments(pull)[0])
    asked = next(line for line in here.comments(pull)[0].splitlines() if "to approve: " in line)
    words = asked.partition("to approve: ")[2]
    for name, permission in (("stranger", "read"), ("reviewer", "write")):
        here.gitea.person(name)
        here.api("PUT", f"/collaborators/{name}", {"permission": permission})
    for name in ("stranger", "ada", "reviewer"):
        here.api("POST", f"/issues/{pull}/comments", {"body": f"Fine.\n\n{words}"}, user=name)
    release = here.installation.release_of(commit, SECONDS)
    assert release["phase"] == "promoted"
    assert [one["actor"] for one in release["approvals"]] == ["models:reviewer"]
    eventually(lambda: any("cannot approve" in body for body in here.comments(pull)))
    mine = [body for body in here.comments(pull) if body.startswith("<!-- segue ")]
    assert len(mine) == 3  # the report, and one answer each to who may ask
    eventually(lambda: "[success] segue/echo/production" in here.comments(pull)[0])


def test_a_release_goes_on_while_gitea_is_away_and_is_told_of_when_it_is_back(started):
    here = started(SEGUE_SWEEP_SECONDS=NEVER)
    here.connect(here.gitea.token())
    commit = here.installation.push(1, more="approvals: {count: 1}\n")
    eventually(lambda: here.release(commit).get("phase") == "approval")
    here.gitea.stop()
    try:
        segue(here.installation.place, "approve", here.release(commit)["name"])
        assert here.installation.release_of(commit, SECONDS)["phase"] == "promoted"
    finally:
        here.gitea.run_on()
    eventually(lambda: any(one["status"] == "success" for one in here.statuses(commit).values()))


def test_a_login_that_may_set_no_hook_is_told_and_the_sweep_finds_each_push(started):
    here = started(SEGUE_SWEEP_SECONDS="1")
    here.gitea.person("writer")
    here.api("PUT", "/collaborators/writer", {"permission": "write"})
    told = here.connect(here.gitea.token("writer"))
    assert any("no webhook" in line and "By hand" in line for line in told)
    assert here.api("GET", "/hooks") == []
    commit = here.installation.push(1)
    assert here.installation.release_of(commit, SECONDS)["phase"] == "promoted"
    eventually(lambda: any(one["status"] == "success" for one in here.statuses(commit).values()))
