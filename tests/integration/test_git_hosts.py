"""What only a host over HTTP shows: logins that stay where they belong, limits, redirects, hooks, damage."""

import hmac
import json
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from handlers import bitbucket
from service import plugins
from service.adapters.hosts import mirror
from service.arrivals import commenting, connecting
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus, Permission
from service.ports.outcomes import PortError, Refused, Retry
from service.settings import Settings
from service.store.store import Store
from tests.hosting.github import APP_HOOK
from tests.hosting.server import READ, WRITE, Refusal
from tests.hosting.worlds import TOKEN, OnBitbucket, OnBitbucketServer, OnGitHub, OnGitLab
from tests.misbehaving import Misbehaving, answer

MAIN = "refs/heads/main"
HOOK = "https://segue.example/hooks/models"
DELIVERED = Path(__file__).parents[1] / "fixtures" / "bitbucket" / "server-pull-request-comment.json"


@pytest.fixture(params=[OnGitHub, OnGitLab, OnBitbucket, OnBitbucketServer])
def world(request, tmp_path):
    made = request.param(tmp_path)
    with made.server:
        yield made


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


@pytest.fixture
def data_center(tmp_path):
    made = OnBitbucketServer(tmp_path / "data-center")
    with made.server:
        yield made


def status(commit, key="segue/wine/production", state=CommitState.SUCCESS, title="done", text=""):
    return CommitStatus(commit, key, state, title, text)


def login(world, token):
    """Another login from now on, and an adapter that has it."""
    (world.settings.home / "secrets" / "login-models").write_text(token)
    return world.opened()


# --- logins ----------------------------------------------------------------------------------


def test_a_login_is_in_no_argument_and_no_variable_of_any_process_and_in_no_file_but_its_own(world):
    world.commit({"a": b"1"})
    held, go_on = threading.Event(), threading.Event()

    def hold(path):
        held.set()
        go_on.wait(30)

    world.server.on_git = hold
    fetching = threading.Thread(target=world.host.refs)
    fetching.start()
    assert held.wait(30)
    seen = []
    for process in psutil.Process().children(recursive=True):
        try:
            seen.append(" ".join(process.cmdline()) + str(process.environ()))
        except psutil.Error:
            continue
    go_on.set()
    fetching.join()
    assert any("git-remote-http" in one for one in seen)
    needles = {TOKEN, world.host._login.rest().removeprefix("Bearer ")}
    needles |= {world.host._login.git().removeprefix("Basic ")}
    assert not [one for one in seen if any(needle in one for needle in needles)]
    written = [path for path in (world.settings.home / "mirrors").rglob("*") if path.is_file()]
    assert len(written) > 3
    assert not [path for path in written if any(needle.encode() in path.read_bytes() for needle in needles)]


def test_a_login_that_is_not_known_is_refused_with_the_file_to_write(world):
    host = login(world, "another")
    for ask in (host.default_branch, host.refs):
        with pytest.raises(PortError, match="login"):
            ask()
    with pytest.raises(Refused, match="login-models") as told:
        host.default_branch()
    assert "another" not in str(told.value)


def test_what_a_login_may_not_do_is_refused_and_what_it_may_not_see_is_gone(world):
    commit = world.commit({"a": b"1"})
    world.host.refs()
    world.server.tokens["reader"] = READ
    reader = login(world, "reader")
    if world.least > READ:
        with pytest.raises(Refused, match="may not do that"):
            reader.report(status(commit))
    world.server.tokens["stranger"] = 0
    host = login(world, "stranger")
    with pytest.raises(Retry, match="gone, or hidden"):
        host.default_branch()
    with pytest.raises(Retry, match="gone, or hidden"):
        host.refs()


def test_another_token_counts_at_once(world):
    world.host.refs()
    del world.server.tokens[TOKEN]
    world.server.tokens["a-new-one"] = READ
    with pytest.raises(PortError):
        world.host.refs()
    login(world, "a-new-one")
    commit = world.commit({"a": b"1"})
    assert world.host.refs() == {MAIN: commit}
    assert world.host.default_branch() == MAIN


@pytest.mark.parametrize("body", ["[]", "null", "{}", "3", "<html>", '{"default_branch": 3', "[1, null]"])
def test_an_answer_in_another_form_is_no_answer(tmp_path, body):
    with Misbehaving() as host:
        host.does(answer(body))
        made = OnGitHub(tmp_path)
        made.source = Source("models", "github", f"{host.url}/acme/models")
        asked = made.opened()
        made.server.server_close()
        for ask in (asked.default_branch, lambda: asked.may("ann"), lambda: asked.has_webhook(HOOK)):
            try:
                assert ask() in {Permission.NONE, False}
            except PortError:
                pass


@pytest.mark.parametrize("text", ["two words", "caf\u00e9", "one\ttwo", "app 5\nnothing"])
def test_a_file_that_holds_no_login_is_refused_without_repeating_it(world, text):
    with pytest.raises(Refused, match="login-models holds none of") as told:
        login(world, text)
    assert text.split()[-1] not in str(told.value)


# --- nobody else is spoken to ----------------------------------------------------------------


def test_redirects_are_not_followed_by_git_or_by_the_api(tmp_path):
    with Misbehaving() as host, Misbehaving() as other:
        for status_code in (301, 302, 307, 308):
            host.does(
                answer(
                    "", status_code, Location=f"{other.url}/acme/models.git/info/refs?service=git-upload-pack"
                )
            )
            made = OnGitHub(tmp_path / str(status_code))
            made.source = Source("models", "github", f"{host.url}/acme/models")
            for ask in (made.opened().refs, made.opened().default_branch):
                with pytest.raises(PortError):
                    ask()
            made.server.server_close()
        assert host.asked
        assert other.asked == []


def test_links_in_answers_are_never_gone_to_and_all_pages_are_read(world):
    commit = world.commit({"a": b"1"})
    where = f"commit/{commit}" if world.host.ON_COMMITS else world.places()[0]
    for number in (228, 229):
        world.host.comment(where, f"k{number}", str(number))
    listed = world.listed(where)
    listed[:0] = [{**listed[0], "id": 1000 + number} for number in range(230)]
    for one in listed[:230]:
        one.pop("body", None), one.pop("content", None), one.pop("text", None)
    world.host.comment(where, "k228", "changed")
    assert [one for one in world.said(where) if one] == ["changed", "229"]


# --- limits ----------------------------------------------------------------------------------


def test_limits_of_rate_are_waited_for_as_the_host_says(github):
    soon = str(int(datetime.now(UTC).timestamp()) + 100)
    for refusal, least, most in (
        (Refusal(403, "API rate limit exceeded", X_RateLimit_Remaining="0", X_RateLimit_Reset=soon), 90, 100),
        (Refusal(429, "Too many", Retry_After="17"), 17, 17),
        (Refusal(403, "You have exceeded a secondary rate limit", X_RateLimit_Remaining="40"), 60, 60),
        (Refusal(403, "You have exceeded a secondary rate limit", Retry_After="30"), 30, 30),
        (Refusal(429, "Too many"), 60, 60),
        (Refusal(503, "down", Retry_After="9"), 9, 9),
        (Refusal(429, "forever", Retry_After="99999999"), 3600, 3600),
    ):
        github.server.script.append(refusal)
        with pytest.raises(Retry) as told:
            github.host.default_branch()
        assert least <= told.value.after <= most, refusal
    github.server.script.append(Refusal(403, "Resource not accessible", X_RateLimit_Remaining="40"))
    with pytest.raises(Refused, match="Resource not accessible"):
        github.host.default_branch()


def test_a_permission_that_cannot_be_asked_for_is_never_given(world):
    world.knows("ann", Permission.ADMIN)
    for refusal in (Refusal(500, "down"), Refusal(429, "slow"), Refusal(401, "who"), Refusal(403, "no")):
        world.server.script.append(refusal)
        with pytest.raises(PortError):
            world.host.may("ann")
    assert world.host.may("ann") == Permission.ADMIN


def test_a_blocked_user_may_nothing(gitlab):
    gitlab.knows("ann", Permission.ADMIN)
    gitlab.server.inactive.add("ann")
    assert gitlab.host.may("ann") == Permission.NONE


def test_a_repository_larger_than_allowed_is_refused(world, monkeypatch):
    monkeypatch.setattr(mirror, "LARGEST", 100_000)
    world.commit({"a": random.Random(1).randbytes(400_000)})
    with pytest.raises(Refused, match="sends more than"):
        world.host.refs()


def test_a_host_that_falls_silent_is_given_up(world, monkeypatch):
    monkeypatch.setattr(mirror, "SILENT", 1)
    over = threading.Event()
    world.server.on_git = lambda _: over.wait(60)
    try:
        with pytest.raises(Retry, match="cannot be fetched now"):
            world.host.refs()
    finally:
        over.set()


# --- the mirror ------------------------------------------------------------------------------


def test_what_was_pushed_over_stays_readable_and_what_was_removed_is_no_reference(world):
    one = world.commit({"a": b"1"})
    world.move("refs/heads/topic", one)
    assert set(world.host.refs()) == {MAIN, "refs/heads/topic"}
    world.delete("refs/heads/topic")
    two = world.commit({"b": b"2"}, ref="refs/heads/topic/deeper")
    world.move(MAIN, two)
    assert world.host.refs() == {MAIN: two, "refs/heads/topic/deeper": two}
    world.vanish()
    assert world.host.file(one, "a") == b"1"
    with pytest.raises(Retry, match="gone"):
        world.host.refs()


def test_what_one_repository_held_is_not_read_as_anothers_of_the_same_name(world, tmp_path):
    commit = world.commit({"a": b"1"})
    assert world.host.file(commit, "a") == b"1"
    other = type(world)(tmp_path / "other")
    with other.server:
        other.settings = world.settings
        other.commit({"b": b"2"})
        with pytest.raises(Refused, match=f"no commit {commit}"):
            other.opened().file(commit, "a")


def test_leftovers_of_a_fetch_that_was_killed_are_no_obstacle(world):
    world.commit({"a": b"1"})
    world.host.refs()
    (folder,) = (world.settings.home / "mirrors").iterdir()
    for name in ("packed-refs.lock", "refs/heads/main.lock", "config.lock", "objects/pack/tmp_pack_x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    commit = world.commit({"a": b"2"})
    assert world.host.refs() == {MAIN: commit}
    assert not list(folder.rglob("tmp_pack_x"))


def test_many_processes_fetch_and_read_at_once(world):
    commits = [world.commit({"a": str(number).encode()}) for number in range(3)]
    found, hosts = [], [world.opened() for _ in range(6)]

    def read(host):
        found.append((host.refs(), [host.file(commit, "a") for commit in commits]))

    threads = [threading.Thread(target=read, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [({MAIN: commits[-1]}, [b"0", b"1", b"2"])] * 6


def test_many_fetches_leave_few_packs(world, monkeypatch):
    monkeypatch.setattr(mirror, "PACKS", 3)
    commits = []
    for number in range(8):
        commits.append(world.commit({"a": str(number).encode()}))
        world.host.refs()
        if number == 4:
            world.move(MAIN, commits[0])
    assert len(list((world.settings.home / "mirrors").glob("*/objects/pack/*.pack"))) <= 4
    assert [world.host.file(commit, "a") for commit in commits] == [str(n).encode() for n in range(8)]


# --- reports ---------------------------------------------------------------------------------


def test_a_commit_that_a_pull_request_brought_is_told_of_there(github):
    commit = github.commit({"a": b"1"})
    closed = {"number": 3, "state": "closed", "merged_at": None, "commits": [commit]}
    merged = {"number": 4, "state": "closed", "merged_at": "2026-01-01T00:00:00Z", "commits": [commit]}
    github.server.pulls = [closed, merged]
    github.host.report(status(commit, text="f1 is 0.9"))
    assert github.said("pull/4") == ["```text\n[success] segue/wine/production: done\n    f1 is 0.9\n```"]
    assert github.note(commit) == ""
    assert github.server.statuses == [
        {"sha": commit, "state": "success", "context": "segue/wine/production", "description": "done"}
    ]


def test_a_login_that_may_not_comment_on_commits_reports_by_the_status_alone(github):
    commit = github.commit({"a": b"1"})
    github.server.on_commits = False
    github.host.report(status(commit))
    assert len(github.server.statuses) == 1
    assert github.note(commit) == ""
    github.server.pulls = [{"number": 4, "state": "open", "merged_at": None, "commits": [commit]}]
    github.server.tokens[TOKEN] = READ
    with pytest.raises(Refused, match="may not do that"):
        github.host.comment("pull/4", "k", "hello")


def test_a_merge_request_is_told_as_well_and_a_status_may_be_set_again(gitlab):
    commit = gitlab.commit({"a": b"1"})
    gitlab.server.merge_requests = [{"iid": 9, "state": "opened", "commits": [commit]}]
    for state in (CommitState.PENDING, CommitState.PENDING, CommitState.FAILURE):
        gitlab.host.report(status(commit, state=state))
    assert gitlab.said("pull/9") == ["```text\n[failure] segue/wine/production: done\n```"]
    assert gitlab.server.statuses[commit, "segue/wine/production"]["state"] == "failed"


def test_a_pull_request_that_bitbucket_keeps_for_the_commit_is_told(tmp_path):
    world = OnBitbucket(tmp_path)
    with world.server:
        commit = world.commit({"a": b"1"})
        world.server.pulls = [
            {"id": 3, "state": "DECLINED", "commits": [commit]},
            {"id": 4, "state": "MERGED", "commits": [commit]},
        ]
        world.host.report(status(commit, key="segue/" + "k" * 60))
        assert len(world.said("pull/4")) == 1
        assert world.note(commit) == ""
        ((_, key),) = world.server.statuses
        assert len(key) == 40


def test_long_lines_are_cut_to_what_the_host_takes(world):
    commit = world.commit({"a": b"1"})
    world.host.report(status(commit, key="segue/" + "k" * 300, title="x" * 400))
    assert "x" * 400 in world.note(commit)


def test_the_author_is_told_by_login_where_the_host_tells_it(github, gitlab):
    github.knows("bob", Permission.READ)
    assert github.host.author(github.commit({"a": b"1"}, author="bob")) == "bob"
    assert github.host.author(github.commit({"a": b"2"}, author="Zoë")) == "Zoë"
    assert gitlab.host.author(gitlab.commit({"a": b"1"}, author="bob")) == "bob"


# --- Bitbucket Data Center --------------------------------------------------------------------


@pytest.mark.parametrize("url", ["scm/models", "projects/ML/repos/models", "ML/models"])
def test_an_address_that_is_neither_clouds_nor_cloned_says_what_to_write(tmp_path, url):
    source = Source("models", "bitbucket", f"https://bitbucket.example/{url}")
    with pytest.raises(Refused, match=r"such as https://"):
        plugins.load("git_hosts", "bitbucket").open(Settings(home=tmp_path), source)


def test_what_a_person_may_in_a_data_center_is_asked_of_exactly_that_active_person(data_center):
    for name in ("ann", "ann2", "joann"):
        data_center.knows(name, Permission.ADMIN)
    data_center.knows("an", Permission.READ)
    data_center.knows("7", Permission.WRITE)
    assert data_center.host.may("an") == Permission.READ
    assert data_center.host.may("7") == Permission.WRITE
    assert data_center.host.may("ANN") == Permission.NONE
    assert data_center.host.may("ann") == Permission.ADMIN
    data_center.server.inactive.add("ann")
    data_center.server.unlicensed.add("ann2")
    assert data_center.host.may("ann") == data_center.host.may("ann2") == Permission.NONE


def test_a_person_is_found_behind_many_whose_names_hold_theirs(data_center):
    for number in range(250):
        data_center.knows(f"bob{number:03}", Permission.WRITE)
    data_center.knows("bob", Permission.WRITE)
    assert data_center.host.may("bob") == Permission.WRITE


def test_a_data_center_tells_a_commits_author_where_it_knows_the_address(data_center):
    data_center.knows("bob", Permission.READ)
    assert data_center.host.author(data_center.commit({"a": b"1"}, author="bob")) == "bob"
    assert data_center.host.author(data_center.commit({"a": b"2"}, author="Zoë")) == "Zoë"


def test_a_commit_of_no_pull_request_has_its_build_status_alone(data_center):
    commit = data_center.commit({"a": b"1"})
    data_center.server.pulls = [{"id": 3, "state": "DECLINED", "commits": [commit]}]
    for state in (CommitState.PENDING, CommitState.FAILURE):
        data_center.host.report(status(commit, state=state))
    assert not any(data_center.server.comments.values())
    page = f"{data_center.server.url}/git/projects/ML/repos/models/commits/{commit}"
    assert data_center.server.statuses[commit, "segue/wine/production"] == {
        "key": "segue/wine/production",
        "name": "segue/wine/production",
        "state": "FAILED",
        "description": "done",
        "url": page,
    }


def test_a_comment_that_somebody_changed_meanwhile_is_tried_again(data_center, monkeypatch):
    data_center.host.comment("pull/7", "k", "begun")
    (comment,) = data_center.listed("pull/7")
    reads = type(data_center.host)._said

    def changed_after(host, where):
        found = reads(host, where)
        comment["version"] += 1
        return found

    with monkeypatch.context() as patch:
        patch.setattr(type(data_center.host), "_said", changed_after)
        with pytest.raises(Retry, match="out-of-date"):
            data_center.host.comment("pull/7", "k", "done")
    data_center.host.comment("pull/7", "k", "done")
    assert data_center.said("pull/7") == ["done"]


def test_what_else_happens_to_a_pull_request_is_no_comment(data_center):
    data_center.host.comment("pull/7", "k", "begun")
    said = data_center.listed("pull/7")[0]
    data_center.server.happened = [
        {"id": 1, "action": "OPENED"},
        {"id": 2, "action": "COMMENTED", "commentAction": "DELETED", "comment": {**said, "id": 99}},
        *({"id": 3, "action": "RESCOPED"} for _ in range(150)),
    ]
    data_center.host.comment("pull/7", "k", "done")
    assert data_center.said("pull/7") == ["done"]
    data_center.listed("pull/7").append({**said, "id": 98})
    data_center.host.comment("pull/7", "k", "over")
    assert data_center.said("pull/7") == ["over", "done"]


def test_a_comment_is_no_longer_than_a_data_center_takes(data_center):
    commit = data_center.commit({"a": b"1"})
    data_center.host.comment("pull/7", "k", "x" * 100_000)
    for number in range(4):
        data_center.host.report(status(commit, key=f"segue/{number}", text="y" * 100_000))
    assert "segue/3" in data_center.note(commit)


def test_a_login_that_a_data_center_knows_is_told_what_it_may_not_do(data_center):
    data_center.server.tokens["reader"] = READ
    reader = login(data_center, "reader")
    reader.report(status(data_center.commit({"a": b"1"})))
    with pytest.raises(Refused, match=r"may not do that .*answered 401: You are not permitted"):
        reader.has_webhook(HOOK)


def test_a_password_opens_a_data_center_to_git_as_well(data_center):
    commit = data_center.commit({"a": b"1"})
    assert login(data_center, f"ann:{TOKEN}").refs() == {MAIN: commit}


def test_a_signed_comment_at_a_data_center_is_a_command_of_who_may_write(data_center):
    delivery = json.loads(DELIVERED.read_text())
    body = delivery["body"].replace('"fraud"', '"models"').encode()
    digest = hmac.new(b"marks comments", body, "sha256").hexdigest()
    headers = {**delivery["headers"], "X-Hub-Signature": f"sha256={digest}"}
    bitbucket.verify(headers, body, (b"marks comments",), now())
    (said,) = bitbucket.parse(headers, body)
    parts = SimpleNamespace(settings=data_center.settings, git=lambda _: data_center.host)
    assert commenting.hear(parts, data_center.source, said, now()) is None
    data_center.knows("ada", Permission.WRITE)
    heard = commenting.hear(parts, data_center.source, said, said.written)
    assert (heard.actor, heard.where) == ("models:ada", "pull/7")
    ((_, line, meaning),) = heard.lines
    assert (line, meaning.verb) == ("/segue approve rel-1", "approve")


# --- hooks -----------------------------------------------------------------------------------


def test_a_webhook_is_set_once_with_its_newest_secret(world):
    assert not world.host.has_webhook(HOOK)
    world.host.register_webhook("https://segue.example/hooks/other", "x")
    for secret in ("one", "two"):
        world.host.register_webhook(HOOK, secret)
    assert world.host.has_webhook(HOOK)
    assert len(world.server.hooks) == 2
    hook = world.server.hooks[1]
    inside = {hook.get(key, {}).get("secret") for key in ("config", "configuration")}
    assert "two" in {hook.get("token"), hook.get("secret"), *inside}


def test_a_webhook_that_was_turned_off_leads_nowhere(github, gitlab):
    for world, change in ((github, {"active": False}), (gitlab, {"alert_status": "disabled"})):
        world.host.register_webhook(HOOK, "x")
        world.server.hooks[0].update(change)
        assert not world.host.has_webhook(HOOK)


def test_connecting_sets_the_hook_or_says_what_to_do_by_hand(world, tmp_path):
    world.commit({"a": b"1"})
    store = Store.open(f"sqlite:///{tmp_path / 'engine.db'}")
    told = connecting.connect(world.settings, store, world.source, "https://segue.example")
    assert told[-1] == f"webhook: {HOOK}"
    assert connecting.told_at_once(world.source, world.host, "https://segue.example")
    world.server.tokens["writer"] = WRITE
    login(world, "writer")
    told = connecting.connect(world.settings, store, world.source, "https://segue.example")
    assert told[-1].startswith("no webhook: ")
    assert "its sweep finds changes. By hand: a webhook to https://segue.example/hooks/models" in told[-1]
    assert "secrets/hook-models" in told[-1]
    store.close()


def test_a_host_elsewhere_is_told_of_no_address_on_this_machine(world, tmp_path, monkeypatch):
    monkeypatch.setattr(connecting, "leads_here", lambda address: ":9/" in address)
    store = Store.open(f"sqlite:///{tmp_path / 'engine.db'}")
    told = connecting.connect(world.settings, store, world.source, "http://127.0.0.1:9/")
    assert "SEGUE_INTAKE_URL" in told[-1]
    assert world.server.hooks == []
    store.close()


# --- what could not be delivered --------------------------------------------------------------


def ago(seconds):
    return datetime.now(UTC).timestamp() - seconds


def now():
    return datetime.now(UTC).timestamp()


def test_github_is_asked_to_send_again_what_nobody_took_at_this_hook_and_nothing_else(github):
    github.host.register_webhook(HOOK, "one")
    github.host.register_webhook("https://segue.example/hooks/theirs", "one")
    ours, theirs = (hook["id"] for hook in github.server.hooks)
    told = github.server.deliver
    told("taken", 202, ago(4000))
    told("lost", 0, ago(3000), "issue_comment")
    told("refused", 503, ago(2000))
    told("just now", 503, ago(5))
    told("no matter", 503, ago(2000), "watch")
    told("elsewhere", 503, ago(2000), hook=theirs)
    github.server.taken = True
    assert github.host.redeliver(HOOK, now()) == 2
    again = {(one["guid"], one["status_code"]) for one in github.server.deliveries if one["redelivery"]}
    assert again == {("lost", 202), ("refused", 202)}
    assert github.host.redeliver(HOOK, now()) == 0
    assert ours != theirs


def test_deliveries_of_several_pages_are_read_by_their_cursors_up_to_a_bound(github):
    github.host.register_webhook(HOOK, "one")
    for number in range(700):
        github.server.deliver(f"d{number}", 503 if number in {0, 250} else 202, ago(90_000 - number))
    github.server.taken = True
    assert github.host.redeliver(HOOK, now()) == 1
    assert github.server.deliveries[0]["guid"] == "d250"
    listed = [path for method, path in github.server.asked if method == "GET" and "/deliveries" in path]
    assert len(listed) == 5


def test_a_login_that_may_not_see_hooks_is_refused_what_was_lost(github):
    github.server.tokens["writer"] = WRITE
    with pytest.raises(Refused):
        login(github, "writer").redeliver(HOOK, now())


def test_gitlab_is_asked_to_send_again_what_nobody_took_a_few_at_a_time(gitlab):
    gitlab.host.register_webhook(HOOK, "one")
    for number in range(7):
        gitlab.server.deliver(f"k{number}", "internal error" if number else "202")
    gitlab.server.deliver("pipeline", "500", "pipeline_hooks")
    gitlab.server.taken = True
    assert [gitlab.host.redeliver(HOOK, now()) for _ in range(3)] == [5, 1, 0]


# --- statuses --------------------------------------------------------------------------------


def test_a_status_leads_to_where_people_see_more_if_others_reach_that(world):
    commit = world.commit({"a": b"1"})
    page = "https://segue.example/-/releases/rel-1"
    world.host.report(status(commit))
    assert page not in repr(world.server.statuses)
    world.host.report(replace(status(commit, "segue/other"), url=page))
    assert page in repr(world.server.statuses)


# --- GitHub Apps -----------------------------------------------------------------------------


def app(github, number="12345"):
    """Make an App's key, and its login."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    github.server.apps["12345"] = key.public_key()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    return login(github, f"app {number}\n{pem}")


def test_an_app_reads_and_reports_with_one_token_until_shortly_before_its_end(github):
    host = app(github)
    commit = github.commit({"a": b"1"})
    assert host.refs() == {MAIN: commit}
    host.report(status(commit))
    assert github.server.issued == 1
    assert github.server.checks
    github.server.lasts = 200
    host = app(github)
    host.default_branch()
    host.default_branch()
    assert github.server.issued == 3


def test_an_app_writes_one_check_of_the_status_s_name_and_opens_none_that_is_completed(github):
    host = app(github)
    commit, other = github.commit({"a": b"1"}), github.commit({"a": b"2"})
    rows = (("stage", "10 %", "now"), ("guard", "errors", "undecided | @ann"))
    told = status(commit, state=CommitState.PENDING, title="goes on", text="``` `x` ```")
    told = replace(told, rows=rows, url="https://segue.example/-/releases/rel-1")
    foreign = {"id": 900, "app": "other", "name": told.key, "head_sha": commit, "status": "queued"}
    github.server.checks.append(foreign | {"external_id": "", "conclusion": None})
    for _ in range(2):
        host.report(told)
        (mine,) = github.server.checks[1:]
        assert (mine["status"], mine["conclusion"], mine["details_url"]) == ("in_progress", None, told.url)
    assert (
        "| <code>guard</code> | <code>errors</code> | <code>undecided \\| @ann</code> |"
        in mine["output"]["summary"]
    )
    assert mine["output"]["text"] == "````text\n``` `x` ```\n````"
    for state in (CommitState.FAILURE, CommitState.SUCCESS):
        host.report(replace(told, state=state))
    assert [one["conclusion"] for one in github.server.checks[1:]] == ["success"]
    host.report(told)  # the same commit, released again
    host.report(replace(told, commit=other))
    ours = [(one["head_sha"], one["status"]) for one in github.server.checks[1:]]
    assert ours == [(commit, "completed"), (commit, "in_progress"), (other, "in_progress")]
    assert github.server.statuses == []
    assert github.server.checks[0]["status"] == "queued"


def test_an_app_that_may_write_no_checks_and_a_token_write_statuses(github):
    commit = github.commit({"a": b"1"})
    github.server.checks_allowed = False
    for host in (lambda: github.host, lambda: app(github)):
        host().report(replace(status(commit), url="https://segue.example/-/releases/rel-1"))
    assert [one["target_url"] for one in github.server.statuses] == [
        "https://segue.example/-/releases/rel-1"
    ] * 2
    assert github.server.checks == []


def test_an_app_that_is_not_installed_or_has_another_key_is_refused(github):
    host = app(github)
    github.server.apps.clear()
    with pytest.raises(Refused, match="login"):
        host.refs()
    host = app(github)
    github.server.script.append(Refusal(404, "Not Found"))
    with pytest.raises(Refused, match="App 12345 is not installed on acme/models"):
        host.refs()
    host = login(github, "app 12345\n-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----")
    with pytest.raises(Refused, match="key of the GitHub App 12345 cannot be used") as told:
        host.refs()
    assert "QUJD" not in str(told.value)


def test_what_nobody_took_of_an_apps_own_webhook_is_sent_again_where_it_is_sent_here(github):
    host = app(github)
    assert (host.redeliver(HOOK, now()), host.has_webhook(HOOK)) == (0, False)
    github.server.app_hook = "https://segue.example/hooks/theirs"
    github.server.deliver("lost", 503, ago(3000), "issue_comment", hook=APP_HOOK)
    assert (host.redeliver(HOOK, now()), host.has_webhook(HOOK)) == (0, False)
    github.server.app_hook, github.server.taken = HOOK, True
    assert host.has_webhook(HOOK)
    assert [host.redeliver(HOOK, now()) for _ in range(2)] == [1, 0]
    assert [one["guid"] for one in github.server.deliveries if one["redelivery"]] == ["lost"]


def test_only_github_has_apps(gitlab):
    with pytest.raises(Refused, match="GitLab takes a token"):
        login(gitlab, "app 1\n-----BEGIN RSA PRIVATE KEY-----\nx")
