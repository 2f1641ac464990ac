"""The page: nothing without a login, nothing changed by a stranger's form, everything shown as text."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import delete, event
from structlog.testing import capture_logs

from bench import crowd
from policies import roles
from policies.release import Phase
from service.adapters.receivers import payload
from service.engine.served import HANDED_BACK
from service.identity import sessions, tokens
from service.pages import door, paging, words
from service.reconciler import NAMES_SECONDS
from service.store import tables
from tests.contracts.test_receiver import NOTICE
from tests.scenarios.conftest import CHURN, World
from tests.serving import Served
from tests.visiting import Visitor

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\u202e\x1b[31m"
PAGES = [
    "/-/",
    "/-/targets/wine/production",
    "/-/targets/wine/production?at=2023-11-14T22:14",
    "/-/releases",
    "/-/releases?open=1",
    "/-/releases/rel-1",
    "/-/releases/rel-1/live",
    "/-/releases/rel-1/pictures",
    "/-/releases/rel-1/logs",
    "/-/events",
    "/-/events?failed=1",
    "/-/events/1",
    "/-/record",
    "/-/record?verify=1",
    "/-/simulator",
    "/-/tokens",
    "/-/installation",
    "/-/answers/1",
]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def bob(world):
    return Visitor(world)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A world with one release that serves, for tests that change nothing."""
    world = World(tmp_path_factory.mktemp("served"))
    world.live()
    yield world
    world.close()


def test_what_receivers_are_told_leads_to_pages_that_there_are(world):
    known = world.web.application.url_map.bind("segue.example")
    for notice in (NOTICE, replace(NOTICE, about="work-3", target="")):
        assert known.test(urlsplit(payload.link(notice, "https://segue.example")).path, "GET")


# --- coming in -------------------------------------------------------------------------------


def test_each_address_that_is_read_is_among_those_that_are_tested(world):
    rules = {str(rule) for rule in world.web.application.url_map.iter_rules() if "GET" in rule.methods}
    told = {page.partition("?")[0] for page in PAGES}
    named = {
        one.replace("rel-1", "<name>").replace("wine/production", "<model>/<environment>")
        .replace("events/1", "events/<name>").replace("answers/1", "answers/<delivery>")
        for one in told
    }  # fmt: skip
    free = {"/-/releases/<name>/stream"}  # it goes on: see test_streams.py
    free |= {"/-/login", "/-/login/provider", "/-/login/back", "/-/links", "/-/static/<name>"}
    assert {rule for rule in rules if rule.startswith("/-/")} == named | free


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cookie", [None, "", "wrong", "\u00e9"])
def test_nothing_is_shown_without_a_login(served, path, cookie):
    stranger = served.web.application.test_client()
    if cookie is not None:
        stranger.set_cookie("segue-page", cookie, path="/-/")
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert 'name="token"' in answer.text
    assert "wine" not in answer.text.replace(f'value="{path}"', "")


@pytest.mark.parametrize("path", ["/-/commands", "/-/logout", "/-/tokens", "/-/tokens/end", "/-/logins/end"])
def test_nothing_is_done_without_a_login(served, path):
    assert (
        served.web.application.test_client()
        .post(path, data={"verb": "pause", "subject": "rel-1"})
        .status_code
        == 401
    )


@pytest.mark.parametrize("path", PAGES)
def test_who_is_logged_in_sees_each_page_safely_served(served, path):
    answer = Visitor(served).get(path)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    # What the policy forbids, no page has.
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|<script(?![^>]* src=)", answer.text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', answer.text)
    assert len(answer.data) < 60_000


def test_a_login_is_a_cookie_that_no_script_reads_and_no_other_site_or_model_gets(world):
    answer = Visitor(world).answer
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/-/" in cookie
    assert "Secure" not in cookie


def test_where_people_come_by_https_the_cookie_goes_no_other_way(tmp_path):
    world = World(tmp_path, web_url="https://segue.example")
    cookie = Visitor(world).answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-segue=")
    assert "Secure" in cookie
    assert "Path=/;" in cookie + ";"
    world.close()


def test_after_the_login_one_is_where_one_wanted_to_be_and_never_elsewhere(world):
    for wanted, got in [
        ("/-/releases?open=1", "/-/releases?open=1"),
        ("https://evil.example/", "/-/"),
        ("//evil.example/-/", "/-/"),
        ("/-/\\evil", "/-/"),
        ("/-/\r\nX: y", "/-/"),
        ("", "/-/"),
    ]:
        answer = world.web.post("/-/login", data={"token": world.people["bob"], "to": wanted})
        assert answer.headers["Location"] == got


def test_logging_out_ends_the_session_itself(world, bob):
    proof = re.search(r'name="proof" value="(\w+)"', bob.get("/-/").text)[1]
    secret = bob.client.get_cookie("segue-page", path="/-/").value
    assert bob.client.post("/-/logout", data={"proof": proof}).status_code == 303
    world.web.set_cookie("segue-page", secret, path="/-/")
    assert world.web.get("/-/").status_code == 401


def test_after_logging_out_a_browser_is_to_forget_what_it_was_shown(world, bob):
    proof = re.search(r'name="proof" value="(\w+)"', bob.get("/-/").text)[1]
    answer = bob.client.post("/-/logout", data={"proof": proof})
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'


def test_another_login_in_the_same_browser_ends_the_one_before(world, bob):
    before = bob.client.get_cookie("segue-page", path="/-/").value
    bob.client.post("/-/login", data={"token": world.people["ann"]})
    assert bob.client.get_cookie("segue-page", path="/-/").value != before
    assert "ann" in bob.get("/-/").text
    copied = world.web.application.test_client()
    copied.set_cookie("segue-page", before, path="/-/")
    assert copied.get("/-/").status_code == 401


@pytest.mark.parametrize("seconds", [sessions.IDLE_SECONDS + 1, sessions.LONGEST_SECONDS + 1])
def test_a_session_ends_by_itself(world, bob, seconds):
    world.clock.now += seconds
    assert bob.get("/-/").status_code == 401


def test_a_session_in_use_goes_on_and_ends_after_half_a_day(world, bob):
    for _ in range(23):
        world.clock.now += sessions.IDLE_SECONDS / 2
        assert bob.get("/-/").status_code == 200
    world.clock.now += sessions.IDLE_SECONDS / 2
    assert bob.get("/-/").status_code == 401


def test_a_session_ends_with_its_token(world, bob):
    tokens.make(world.store, "bob")
    assert bob.get("/-/").status_code == 401


def test_no_secret_of_a_session_or_a_link_is_stored(world, bob):
    code = sessions.offer(world.store, world.people["bob"])
    secret = bob.client.get_cookie("segue-page", path="/-/").value
    with world.store.read() as read:
        stored = str(read.connection.exec_driver_sql("SELECT * FROM session").all())
    assert len(stored) > 100
    assert code not in stored
    assert secret not in stored
    assert world.people["bob"] not in stored


LINKED = "/-/login/link"


def link(world, who="bob"):
    headers = {"Authorization": f"Bearer {world.people[who]}"}
    return urlsplit(world.web.post("/api/v1/links", headers=headers).json["link"])


def code(world):
    return {"code": link(world).fragment}


def test_of_a_link_nothing_that_is_sent_holds_its_code(world):
    told = link(world)
    assert len(told.fragment) == 43
    assert told.fragment not in told.path + told.query
    assert told.fragment not in world.web.get(told.path).text


def test_a_link_lets_its_owner_in_once_and_looking_at_it_does_not_use_it_up(world):
    told = link(world)
    assert [world.web.get(told.path).status_code for _ in range(2)] == [200, 200]
    answer = world.web.post(LINKED, data={"code": told.fragment})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/-/")
    assert "bob" in world.web.get("/-/").text
    again = world.web.application.test_client()
    assert again.post(LINKED, data={"code": told.fragment}).status_code == 401
    assert again.get("/-/").status_code == 401


def test_a_link_does_not_keep(world):
    data = code(world)
    world.clock.now += sessions.LINK_SECONDS + 1
    assert world.web.post(LINKED, data=data).status_code == 401


def test_a_link_is_no_session_and_a_session_is_no_link(world, bob):
    world.web.set_cookie("segue-page", link(world).fragment, path="/-/")
    assert world.web.get("/-/").status_code == 401
    secret = bob.client.get_cookie("segue-page", path="/-/").value
    assert world.web.post(LINKED, data={"code": secret}).status_code == 401


def test_a_token_for_verdicts_alone_opens_no_page(world):
    secret = tokens.make(world.store, "argo", tokens.VERDICTS)
    assert sessions.begin(world.store, secret) is None
    assert sessions.offer(world.store, secret) is None


def test_links_are_made_for_who_has_a_token_alone(world):
    for header in (None, "Bearer wrong", "Bearer "):
        answer = world.web.post("/api/v1/links", headers={"Authorization": header} if header else {})
        assert answer.status_code == 401


def test_whoever_guesses_tokens_waits_and_holds_up_nobody_who_has_a_link_or_a_token(world):
    wrong = [world.web.post("/-/login", data={"token": "guess"}).status_code for _ in range(door.LOGINS + 1)]
    assert wrong == [401] * door.LOGINS + [429]
    answer = world.web.post("/-/login", data={"token": "guess"})
    assert int(answer.headers["Retry-After"]) > 0
    assert world.web.post("/-/login", data={"token": world.people["bob"]}).status_code == 303
    assert world.web.post(LINKED, data=code(world)).status_code == 303


def test_wrong_tokens_at_the_page_stand_in_the_log_by_address_alone(world):
    with capture_logs() as logs:
        world.web.post("/-/login", data={"token": "segue_nobodys"})
        world.web.post("/-/login", data={"token": world.people["bob"]})
    assert [(one["event"], one["address"]) for one in logs] == [("login by a wrong token", "127.0.0.1")]
    assert "nobodys" not in str(logs)


def guessing(world, *, forwarded):
    """Wrong tokens by way of the server that processes run, with what a header says of where from."""
    served = Served(world.web.application, forwarded=forwarded)

    def guess(header):
        address, headers = f"http://127.0.0.1:{served.port}/-/login", {"X-Forwarded-For": header}
        return requests.post(address, data={"token": "guess"}, headers=headers, timeout=10).status_code

    return served, guess


def test_behind_a_proxy_that_is_believed_one_guesser_is_held_up_and_others_are_not(tmp_path):
    world = World(tmp_path, proxies=("127.0.0.1",))
    served, guess = guessing(world, forwarded=True)
    told = [guess(f"198.51.100.{n}, 192.0.2.1") for n in range(door.LOGINS + 1)]
    assert told == [401] * door.LOGINS + [429], "what a client writes before is nobody's address"
    assert guess("192.0.2.2") == 401
    served.end()
    world.close()


def test_behind_https_every_answer_says_that_nothing_else_is_used_and_without_it_none_does(tmp_path, world):
    https = World(tmp_path / "https", web_url="https://segue.example")
    for path in ("/", "/-/login", "/-/nothing", "/api/v1/me", "/healthz"):
        assert https.web.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Strict-Transport-Security" not in world.web.get(path).headers
    https.close()


@pytest.mark.parametrize("forwarded", [False, True])
def test_a_header_of_a_proxy_that_nobody_named_changes_nothing(world, forwarded):
    served, guess = guessing(world, forwarded=forwarded)
    told = [guess(f"192.0.2.{n}") for n in range(door.LOGINS + 1)]
    assert told == [401] * door.LOGINS + [429]
    served.end()


def test_wrong_tokens_of_one_address_are_forgotten_after_a_minute_and_concern_no_other():
    now = [0.0]
    attempts = door.Attempts(lambda: now[0])
    for _ in range(door.LOGINS):
        attempts.failed("192.0.2.1")
    assert attempts.wait("192.0.2.1") > 0
    assert attempts.wait("192.0.2.2") == 0
    now[0] = door.WINDOW
    assert attempts.wait("192.0.2.1") == 0


def test_a_flood_of_addresses_is_not_remembered_for_ever():
    attempts = door.Attempts()
    for number in range(3 * door.ADDRESSES):
        attempts.failed(str(number))
    assert len(attempts._wrong) == door.ADDRESSES


# --- forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8480"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/-/login",
        "/-/logout",
        "/-/commands",
        "/-/login/link",
        "/-/tokens",
        "/-/tokens/end",
        "/-/logins/end",
        "/-/logout/provider",
    ],
)
def test_a_form_of_another_site_is_refused(served, headers, path):
    bob, before = Visitor(served), served.inbox.newest()
    bob.get("/-/")
    proof = re.search(r'name="proof" value="(\w+)"', bob.answer.text)[1]
    data = {"proof": proof, "token": served.people["bob"], "verb": "pause", "subject": "rel-1"}
    with capture_logs() as logs:
        assert bob.client.post(path, data=data, headers=headers).status_code == 403
    assert served.inbox.newest() == before
    told = {"event": "form of another site", "asked": path, "origin": headers.get("Origin")}
    assert logs == [{**told, "log_level": "warning"}]


@pytest.mark.parametrize("proof", ["", "wrong", "\u00e9", None])
def test_a_form_without_its_proof_does_nothing(served, proof):
    bob, before = Visitor(served), served.inbox.newest()
    data = {"verb": "rollback", "subject": "wine/production"} | (
        {"proof": proof} if proof is not None else {}
    )
    with capture_logs() as logs:
        assert bob.client.post("/-/commands", data=data).status_code == 403
    assert served.inbox.newest() == before
    told = {"event": "form without its proof", "asked": "/-/commands", "who": "bob"}
    assert logs == [{**told, "log_level": "info"}]


def test_the_proof_of_another_login_is_none(served):
    bob, other = Visitor(served), Visitor(served, "ann")
    proof = re.search(r'name="proof" value="(\w+)"', other.get("/-/").text)[1]
    data = {"proof": proof, "verb": "rollback", "subject": "wine/production"}
    assert bob.client.post("/-/commands", data=data).status_code == 403


def test_nothing_is_changed_by_looking(served):
    bob = Visitor(served)
    before = served.store.record_head(), served.inbox.newest()
    for path in PAGES:
        assert bob.get(path).status_code == 200
    assert (served.store.record_head(), served.inbox.newest()) == before


# --- commands --------------------------------------------------------------------------------


def waiting(world):
    world.push({"segue.yaml": CHURN})
    world.settle()
    world.registry.register("churn", {"model.pkl": b"1"}, author="cara")
    world.move_alias("churn", "1")
    world.settle()
    release = world.releases()[-1]
    assert release.phase is Phase.APPROVAL
    return release


def test_who_may_approves_and_is_told_what_follows(world, bob):
    release = waiting(world)
    assert f"{release.name} on churn/production waits for approval" in bob.text("/-/")
    told = bob.press("approve", f"/-/releases/{release.name}", reason="good numbers")
    assert f"Done: {release.name} is starting" in told or "Done:" in told
    entry = next(e for e in world.store.record_of(release.name) if e.action == "command")
    assert (entry.actor, entry.detail["channel"], entry.detail["reason"]) == ("bob", "page", "good numbers")


def test_who_may_not_approve_is_told_why_and_has_no_button(world):
    release = waiting(world)
    eve = Visitor(world, "eve")
    assert "is not among the people" in eve.text(f"/-/releases/{release.name}")
    with pytest.raises(AssertionError, match="no form"):
        eve.form("approve")


def test_an_admin_overrides_the_rules_with_a_reason_and_the_page_says_so_loudly(world, bob):
    release = waiting(world)
    path = f"/-/releases/{release.name}"
    assert "say why" in bob.press("override", path, reason=" ")
    assert world.release(release.name).phase is Phase.APPROVAL
    assert "goes on against its rules" in bob.press("override", path, reason="the shop is down")
    told = bob.text(path)
    assert "Rules overridden bob: the shop is down" in told
    actions = [entry.action for entry in world.store.record_of(release.name)]
    assert "rules overridden" in actions


def test_a_release_is_started_with_what_it_needs_and_by_whom_may(world, bob):
    world.push({"segue.yaml": CHURN})
    world.registry.register("churn", {"model.pkl": b"1"}, author="cara")
    world.settle()
    told = bob.press("start", "/-/releases", subject="churn")
    assert "write which version" in told
    told = bob.press("start", "/-/releases", subject="churn", version=" 1 ", reason="by hand")
    assert "Done: started rel-1" in told
    entry = next(e for e in world.store.record_of("rel-1") if e.action == "command")
    assert (entry.actor, entry.detail["reason"]) == ("bob", "by hand")
    world.people["vic"] = tokens.make(world.store, "vic", grants=[roles.grant("viewer", "*")])
    assert "Start a release" not in Visitor(world, "vic").text("/-/releases")
    world.people["own"] = tokens.make(world.store, "own", grants=[roles.grant("operator", "beer")])
    assert "churn" not in Visitor(world, "own").text("/-/releases")


def test_a_button_pressed_twice_is_one_command(world, bob):
    release = waiting(world)
    bob.get(f"/-/releases/{release.name}")
    fields = bob.form("reject")
    first = bob.client.post("/-/commands", data=fields).headers["Location"]
    assert bob.client.post("/-/commands", data=fields).headers["Location"] == first


def test_a_stale_button_says_what_has_changed_and_does_nothing(world, bob):
    world.live()
    release = world.rollout()
    bob.get(f"/-/releases/{release.name}")
    fields = bob.form("promote")
    world.say("pause", release.name)
    told = bob.send(fields)
    assert "Not done: nothing was done" in told
    assert f"{release.name} was {fields['seen']} when you looked, and is" in told
    assert "and paused now" in told
    assert world.release(release.name).paused


def test_what_is_on_the_safe_side_counts_however_stale(world, bob):
    world.live()
    release = world.rollout()
    bob.get(f"/-/releases/{release.name}")
    fields = bob.form("abort")
    world.say("promote", release.name)
    assert "Done:" in bob.send(fields)


def test_a_rollback_is_not_taken_back_by_a_second_one_who_saw_the_same(world, bob):
    world.live()
    release = world.rollout()
    world.play(40, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED
    ann = Visitor(world, "ann")
    path = "/-/targets/wine/production"
    ann.get(path), bob.get(path)
    fields = ann.form("rollback")
    assert "Done:" in bob.press("rollback")
    world.play(10)
    told = ann.send(fields)
    assert f"wine/production was serving {release.name} when you looked" in told
    assert world.target().stable.version != release.version


@pytest.mark.parametrize(
    "changed",
    [{"verb": "destroy"}, {"verb": ""}, {"subject": ""}, {"reason": "x" * 3000}, {"seen": "x" * 3000}],
)
def test_what_is_no_command_is_refused(served, changed):
    bob, before = Visitor(served), served.inbox.newest()
    proof = re.search(r'name="proof" value="(\w+)"', bob.get("/-/").text)[1]
    data = {"proof": proof, "verb": "rollback", "subject": "wine/production"} | changed
    assert bob.client.post("/-/commands", data=data).status_code == 400
    assert served.inbox.newest() == before


def test_given_up_work_is_shown_with_a_button_that_has_it_done_again(world, bob):
    world.live()
    world.hook("git", "no object")
    world.settle()
    name = re.search(r"/-/events/([\w-]+)", bob.get("/-/events?failed=1").text)[1]
    assert "dead" in bob.text(f"/-/events/{name}")
    assert "Done:" in bob.press("replay-event")


def changed(world, what="kubectl-edit gave <b>all</b> to the old one"):
    """Somebody else goes back; a look sees it."""
    target = world.target()
    world.router.change(target.name, what, {target.previous.backend: 100.0})
    world.clock.now += NAMES_SECONDS
    world.settle(1)


def test_what_somebody_else_changed_is_shown_and_repaired_as_it_was_seen(world, bob):
    world.live()
    release = world.rollout()
    world.play(40, until=release.name)
    path = "/-/targets/wine/production"
    changed(world)
    assert "changed by somebody else: kubectl-edit gave <b>all</b>" in bob.text("/-/")
    shown = bob.text(path)
    assert "Changed by somebody else" in shown
    assert "kubectl-edit gave <b>all</b> to the old one" in shown
    late = bob.form("repair")
    changed(world, "carol did, too")
    assert "it has changed since you looked" in bob.send(late)
    bob.get(path)
    assert "Done:" in bob.press("repair")
    world.settle(1)
    assert world.weights()[release.backend] == 100
    assert "Changed by somebody else" not in bob.text(path)


def test_what_is_taken_for_right_is_called_not_proven_where_it_serves(world, bob):
    world.live()
    release = world.rollout()
    world.play(40, until=release.name)
    changed(world)
    bob.get("/-/targets/wine/production")
    assert "Done:" in bob.press("adopt", reason="the <i>new</i> one is slow")
    world.settle(1)
    assert world.target().previous.backend == release.backend
    for page in ("/-/", "/-/targets/wine/production"):
        assert "took it for right: the <i>new</i> one is slow" in bob.text(page)


# --- what is shown ---------------------------------------------------------------------------


def test_what_others_wrote_is_shown_as_text(world, bob):
    """By a cause, a reason, a delivery and its headers; whatever comes from outside may hold script."""
    release = world.live()
    world.say("rollback", "wine/production", reason=HOSTILE)
    world.rollout()
    world.say("abort", world.releases()[-1].name, reason=HOSTILE)
    world.intake.post(
        "/hooks/git",
        data=HOSTILE.encode(),
        headers={"User-Agent": HOSTILE.encode("ascii", "ignore").decode()},
    )
    world.hook("git", HOSTILE)
    world.settle()
    paths = [*PAGES, "/-/releases/rel-2", f"/-/targets/{release.target}", "/-/record?subject=rel-2"]
    shown = [bob.get(path).text for path in paths]
    deliveries = [bob.get(f"/-/events/{number}").text for number in range(1, world.inbox.newest() + 1)]
    everything = "".join([*shown, *deliveries])
    assert "&lt;script&gt;alert(1)" in everything
    assert "<script>alert" not in everything
    assert "<img" not in everything
    assert "49" not in re.findall(r"&#39;&amp;(.{0,9})", everything)


def test_empty_pages_say_what_to_do_next(tmp_path, world, bob):
    with world.store.change() as change:
        change.remove_source("git")
        change.remove_source("mlflow")
    assert "segue connect git" in bob.text("/-/")
    assert "segue start MODEL" in bob.text("/-/releases")
    assert "segue connect git" in bob.text("/-/events")
    assert "Nothing was given up" in bob.text("/-/events?failed=1")


def test_the_overview_says_what_serves_since_when_and_on_which_evidence(world, bob):
    world.live()
    told = bob.text("/-/")
    assert "wine/production rel-1 serves, for" in told
    assert "not proven" in told
    release = world.rollout()
    assert release.name in bob.text("/-/")


def test_a_release_shows_its_way_its_guards_and_its_numbers(world, bob):
    world.live()
    release = world.rollout()
    told = bob.text(f"/-/releases/{release.name}")
    assert "done: built, evaluated" in told
    assert f"now: ● {release.wanted:g} %" in told or f"now: {release.wanted:g} %" in told
    assert "next: 100 %" in told
    assert "evidence against it" in told
    assert f"new version {release.observed:g} %" in told
    pictures = bob.get(f"/-/releases/{release.name}/pictures").text
    assert pictures.count("<figure ") >= 3
    assert "rolled back here" in pictures


def test_a_release_tells_its_way_from_a_commit_to_traffic_and_until_when_it_served(world, bob):
    first = world.live()
    assert f"served as promoted from {words.utc(first.ended)} until now" in bob.text("/-/releases/rel-1")
    second = world.rollout()
    assert f"commit {second.cause.commit[:12]} of git by ann" in bob.text(f"/-/releases/{second.name}")
    assert "traffic from 2023-11-14" in bob.text(f"/-/releases/{second.name}")
    world.play(60, until=second.name)
    ended = world.release(second.name).ended
    assert f"until {words.utc(ended)}, then {second.name}" in bob.text("/-/releases/rel-1")
    world.clock.now += 10
    with world.store.change() as change:
        change.record("wine/production", "segue", HANDED_BACK)
    told = bob.text(f"/-/releases/{second.name}")
    assert f"until {words.utc(world.clock.now)}, then the place was handed back" in told


def test_a_part_that_has_not_changed_is_not_sent_again(served):
    bob = Visitor(served)
    for part in ("live", "pictures"):
        first = bob.get(f"/-/releases/rel-1/{part}")
        tag = {"HX-PTag": first.headers["HX-PTag"], "HX-Request": "true"}
        again = bob.get(f"/-/releases/rel-1/{part}", headers=tag)
        assert (again.status_code, again.data) == (304, b"")


def test_what_refreshes_itself_is_sent_to_the_login_when_the_session_has_ended(world):
    answer = world.web.get("/-/releases/rel-1/live", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"], answer.data) == (401, "/-/login", b"")


def test_what_served_at_a_time_is_told_with_what_was_on_its_way(world, bob):
    def at(moment):
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}"
        return bob.text(f"/-/targets/wine/production?at={stamp}")

    def time_of(seconds):
        return datetime.fromtimestamp(seconds, UTC)

    first = world.live()
    assert "no version of Segue's served then" in at(time_of(first.began - 60))
    assert "UTC: rel-1" in at(time_of(first.ended + 1))
    second = world.rollout()
    during = world.clock.now
    world.clock.now += 2
    assert f"beside it {second.name} with {second.observed:g} % of requests" in at(time_of(during))
    world.play(40, until=second.name)
    assert f"UTC: {second.name}" in at(time_of(world.release(second.name).ended + 1))
    assert "UTC: rel-1" in at(time_of(during))


def test_what_served_at_a_time_is_told_however_much_was_recorded_before_it(world, bob):
    world.live()
    first = world.rollout()
    with world.store.change() as change:
        for _ in range(250):
            change.record(first.name, "ann", "noted", {})
        change.record(first.name, "segue", "noted", {"observed": 42})
    moment = datetime.fromtimestamp(world.clock.now + 1, UTC)
    world.clock.now += 2
    shown = bob.text(f"/-/targets/wine/production?at={moment:%Y-%m-%dT%H:%M:%S}")
    assert f"{first.name} with 42 % of requests" in shown


@pytest.mark.parametrize(
    "path",
    [
        "/-/releases/rel-99",
        "/-/releases/x",
        "/-/releases/rel-99/live",
        "/-/releases/rel-99/pictures",
        "/-/releases/rel-99/logs",
        "/-/releases?before=soon",
        "/-/targets/wine/nowhere",
        "/-/targets/wine/production?at=soon",
        "/-/events/work-99",
        "/-/events?before=x",
        "/-/record?before=x",
        "/-/nowhere",
        "/-/static/nothing.css",
        "/-/static/README.md",
        "/-/static/..%2fpage.py",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(served, path):
    answer = Visitor(served).get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert answer.headers["Content-Security-Policy"]


def test_style_and_script_are_small_kept_and_named_by_their_content(world, bob):
    world.live()
    name = world.rollout().name
    files = set(re.findall(r'(?:href|src)="(/-/static/[^"]+)"', bob.get(f"/-/releases/{name}").text))
    assert len(files) == 8
    total = len(bob.answer.data) + len(bob.get(f"/-/releases/{name}/pictures").data)
    for file in files:
        answer = world.web.get(file, headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
        assert "immutable" in answer.headers["Cache-Control"]
        assert world.web.get(file).headers.get("Content-Encoding") is None
        total += len(answer.data)
    assert total < 100_000


# --- many ------------------------------------------------------------------------------------


@pytest.fixture
def queries(world):
    """Statements on releases, targets and what else a list needs; logging in is not counted."""
    seen = []

    def note(_connection, _cursor, sql, *_):
        if sql.startswith("SELECT") and "FROM session" not in sql:
            seen.append(sql)

    event.listen(world.store.engine, "before_cursor_execute", note)
    return seen


def crowded(world):
    """Hundreds of releases on their way at more targets than a page has, of which some wait for people."""
    crowd.fill(world.store, {Phase.SHIFTING: 130, Phase.APPROVAL: 30, Phase.QUEUED: 130})
    with world.store.change() as change:
        for number in range(150):
            change.record("rel-2", "ann", "noted", {"reason": f"{number} " + "why " * 100})


# Two lists: those who wait for approval and the targets; what came in and what was seen.
PAGED = {"/-/": 2, "/-/events": 2, "/-/targets/model-3/production": 2} | dict.fromkeys(
    (
        "/-/releases",
        "/-/releases?open=1",
        "/-/record",
        "/-/events?failed=1",
        "/-/simulator",
        "/-/installation",
    ),
    1,
)


def test_a_list_takes_at_most_three_queries_however_long_it_is(world, bob, queries):
    crowded(world)
    for path, lists in PAGED.items():
        queries.clear()
        assert bob.get(path).status_code == 200
        assert len(queries) <= 3 * lists, queries


def test_no_page_takes_more_than_a_hundred_kilobytes_with_all_that_it_loads(world, bob):
    crowded(world)
    for path in (
        *PAGED,
        "/-/releases/rel-2",
        "/-/releases/rel-2/pictures",
        "/-/tokens",
        "/-/record?verify=1",
    ):
        page = bob.get(path)
        loaded = sum(
            len(world.web.get(file, headers={"Accept-Encoding": "gzip"}).data)
            for file in set(re.findall(r'(?:href|src)="(/-/static/[^"]+)"', page.text))
        )
        assert loaded + len(page.data) < 100_000, path


def test_the_overview_comes_in_pages_and_leaves_out_nothing_that_is_on_its_way(world, bob):
    crowded(world)
    path, shown = "/-/", []
    while path:
        page = bob.get(path).text
        cards = re.findall(r'<h2><a href="/-/targets/([^"]+)">.*?</li>', page, re.DOTALL)
        assert len(cards) <= paging.SIZE
        assert len(re.findall(r'<div class="coming">\s*<p><a href="/-/releases/rel-', page)) == len(cards)
        assert "More wait for approval" in page
        shown += cards
        more = re.search(r'href="([^"]+)" rel="next"', page)
        path = more and unescape(more[1])
    assert shown == sorted({row.name for row in world.store.targets()})
    assert len(shown) == 130
    assert "There are no more targets" in bob.text("/-/?after=zzz")


def test_a_target_that_only_a_release_is_on_its_way_to_is_shown_to_whom_it_concerns(world, bob):
    crowd.fill(world.store, {Phase.SHIFTING: 2})
    with world.store.change() as change:
        change.connection.execute(delete(tables.target).where(tables.target.c.name == "model-0/europe"))
    for who, sees in (("viewer", {"model-0/europe", "model-0/production"}), ("some", {"model-0/europe"})):
        where = "*" if who == "viewer" else "*/europe"
        world.people[who] = tokens.make(world.store, who, grants=[roles.grant("viewer", where)])
        page = Visitor(world, who).get("/-/").text
        assert set(re.findall(r'<a href="/-/targets/([^"]+)">', page)) == sees


def test_lists_come_in_pages(world, bob):
    world.live()
    with world.store.change() as change:
        row = change.release(1)
        for number in range(2, 62):
            change.save_release(
                replace(row, id=number, number=number, rev=0, state={**row.state, "name": f"rel-{number}"})
            )
    for path in ("/-/releases", "/-/targets/wine/production"):
        first = bob.get(path).text
        assert 'href="/-/releases/rel-61"' in first
        older = re.search(r'href="([^"]+)" rel="next"', first)[1]
        second = bob.get(older.replace("&amp;", "&")).text
        assert 'href="/-/releases/rel-11"' in second
        assert 'href="/-/releases/rel-12"' not in second.partition('<ol class="rows">')[2]
        assert 'rel="next"' not in second
        assert "Newest" in second
