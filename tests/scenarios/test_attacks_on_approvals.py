"""Attacks on approvals, each by its name: none of them lets a release begin.

An attack gets a service with releases that wait, does what an attacker could do, and names the release that
must not have begun for it. `eve` may read the repository, has a token, and is on nobody's list; `ann` pushed.
"""

import hashlib
import hmac
import json
import time

import pytest
from structlog.testing import capture_logs

from handlers import signing
from policies.events import Command
from policies.release import Phase
from service.adapters.memory.git import MemoryGit
from service.errors import Conflict
from service.identity import people, sessions, tokens
from service.machine import meters
from service.ports.connections import Source
from service.ports.git import Permission
from service.store.change import Change
from service.store.queue import Work
from service.store.states import COMMAND
from tests.scenarios.conftest import SECRET, WINE
from tests.scenarios.test_comments import GROUPED, Hosted
from tests.visiting import Visitor

BEGUN = {Phase.STARTING, Phase.CHECKING, Phase.SHADOWING, Phase.SHIFTING, Phase.WATCHING, Phase.PROMOTED}
APPROVED = WINE + "approvals: {count: 1}\n"
TWO = WINE + "approvals: {count: 2}\n"
LISTED = WINE + 'approvals: {count: 1, from: ["code:bob", bob]}\n'
ATTACKS = {}


def attack(name):
    """Registers an attack by its name."""

    def keep(made):
        assert name not in ATTACKS
        ATTACKS[name] = made
        return made

    return keep


@pytest.fixture
def world(tmp_path, stores):
    made = Hosted(tmp_path, **stores)
    yield made
    made.close()


def queued(world, rules=APPROVED, approve=("bob",)):
    """A release that was approved by comments and waits for the one that holds the target; both names."""
    holder = world.waiting(rules)
    for who in approve:
        world.ask(f"/segue approve {holder}", who=who)
    name = world.waiting(rules)
    for who in approve:
        world.ask(f"/segue approve {name}", who=who)
    assert (world.phase(holder) in BEGUN, world.phase(name)) == (True, Phase.QUEUED)
    return holder, name


def turn_comes(world, holder):
    assert world.say("abort", holder, who="ann").ok
    world.settle()


# --- something else than was approved ----------------------------------------------------------


@attack("approve, then push")
def approve_then_push(world):
    first = world.waiting()
    world.ask(f"/segue approve {first}")
    return world.waiting()


@attack("the approval of one release, used for another")
def approve_one_begin_another(world):
    first = world.waiting()
    plan = world.release(first).plan
    second = world.waiting()
    world.ask(f"/segue approve {second} {plan[:19]}")
    return second


@attack("an approval for a plan that changed while it waited for its turn")
def changed_while_queued(world):
    holder, name = queued(world)
    world.play(40, until=holder)  # what serves is another version: the first had nothing to compare with
    world.settle()
    assert "changes since" in world.release(name).reason
    return name


@attack("the digest of what was asked for before it changed")
def old_digest(world):
    holder, name = queued(world)
    old = world.release(name).plan
    world.play(40, until=holder)
    world.settle()
    reply = world.say("approve", name, digest=old[:19])
    assert "steps" in reply.text
    return name


@attack("a button from before it changed")
def old_button(world):
    holder, name = queued(world)
    release = world.release(name)
    world.play(40, until=holder)
    world.settle()
    seen = f"approval with the plan {release.plan[7:19]}"
    fields = {"verb": "approve", "subject": name, "digest": release.plan, "seen": seen}
    bob = Visitor(world)
    bob.get(f"/-/releases/{name}")
    told = bob.send({**bob.form("approve"), **fields})
    assert "when you looked" in told
    return name


@attack("a digest of a few digits, that fits by chance")
def short_digest(world):
    name = world.waiting()
    world.say("approve", name, digest=world.release(name).plan[:11])
    return name


@attack("an empty digest")
def empty_digest(world):
    name = world.waiting()
    world.say("approve", name, digest="")
    world.say("approve", name, digest="sha256:")
    return name


@attack("a branch that drops the rule")
def branch_drops_rule(world):
    triggers = "on: {branches: [main, hot]}\n"
    first = world.waiting(APPROVED + triggers)
    world.ask(f"/segue reject {first}")
    files = {"segue.yaml": WINE + triggers, "requirements.lock": "", "serve.py": "evil"}
    content = {path: text.encode() for path, text in files.items()}
    world.host.commit(content, ref="refs/heads/hot", author="eve")
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    return world.releases()[-1].name


@attack("a branch that puts its author on the list")
def branch_names_itself(world):
    triggers = "on: {branches: [main, hot]}\n"
    first = world.waiting(LISTED + triggers)
    world.ask(f"/segue reject {first}")
    rule = WINE + "approvals: {count: 1, from: [eve]}\n" + triggers
    content = {"segue.yaml": rule.encode(), "requirements.lock": b"", "serve.py": b"evil"}
    world.host.commit(content, ref="refs/heads/hot", author="mallory")
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    name = world.releases()[-1].name
    world.say("approve", name, who="eve")
    return name


@attack("try a rejected release again")
def retry_rejected(world):
    name = world.waiting()
    world.ask(f"/segue reject {name}")
    return world.say("retry", name, who="eve").release


@attack("start by hand what waits for approval")
def start_by_hand(world):
    world.waiting()
    return world.say("start", "wine", who="eve").release


@attack("promote what waits for approval")
def promote_waiting(world):
    name = world.waiting()
    world.ask(f"/segue promote {name}")
    return name


@attack("resume what waits for approval")
def resume_waiting(world):
    name = world.waiting()
    world.ask(f"/segue resume {name}")
    return name


@attack("roll back to what waits for approval")
def rollback_to_waiting(world):
    name = world.waiting()
    world.ask("/segue rollback wine")
    return name


# --- forged, replayed, edited ------------------------------------------------------------------


def comment(world, text, who="bob", key=SECRET, header="X-Gitea-Signature", number=77, delivery="x1"):
    """A comment's delivery, as anybody could send one; the intake's answer."""
    said = {"id": number, "body": text, "user": {"id": 2, "login": who}}
    told = {"action": "created", "is_pull": True, "issue": {"number": 7}, "comment": said}
    body = json.dumps({**told, "sender": said["user"], "repository": {"full_name": "ml/wine"}}).encode()
    headers = {"X-Gitea-Event": "issue_comment", "X-Gitea-Delivery": delivery}
    if key is not None:
        headers[header] = hmac.new(key, body, hashlib.sha256).hexdigest()
    answer = world.intake.post("/hooks/code", data=body, headers=headers)
    world.settle()
    return answer.status_code


@attack("a forged comment without a signature")
def unsigned(world):
    name = world.waiting()
    assert comment(world, f"/segue approve {name}", key=None) == 401
    return name


@attack("a forged comment with a wrong signature")
def wrong_signature(world):
    name = world.waiting()
    assert comment(world, f"/segue approve {name}", key=b"guess") == 401
    return name


@attack("a forged comment with an empty secret")
def empty_secret(world):
    name = world.waiting()
    assert comment(world, f"/segue approve {name}", key=b"") == 401
    return name


@attack("a comment signed in a header of another sender")
def other_header(world):
    name = world.waiting()
    assert comment(world, f"/segue approve {name}", header="X-Hub-Signature-256") == 401
    return name


@attack("a comment signed with the secret of another source")
def other_sources_secret(world):
    name = world.waiting()
    world.connect(Source("other", "gitea", "https://elsewhere.example/ml/wine"), MemoryGit())
    body = b"{}"
    told = hmac.new(b"another secret", body, hashlib.sha256).hexdigest()
    headers = {"X-Gitea-Event": "issue_comment", "X-Gitea-Delivery": "y", "X-Gitea-Signature": told}
    assert world.intake.post("/hooks/code", data=body, headers=headers).status_code == 401
    assert comment(world, f"/segue approve {name}", key=b"another secret") == 401
    return name


@attack("a comment that is sent once more, for a newer release")
def replayed(world):
    first = world.waiting()
    assert comment(world, "/segue approve") == 202
    assert world.phase(first) in BEGUN
    second = world.waiting()
    assert comment(world, "/segue approve") == 202
    return second


@attack("a comment that is sent once more under a new delivery's name")
def replayed_renamed(world):
    world.waiting()
    assert comment(world, "/segue approve") == 202
    second = world.waiting()
    assert comment(world, "/segue approve", delivery="x2") == 202
    return second


@attack("an edited comment")
def edited(world):
    name = world.waiting()
    world.ask(f"/segue approve {name}", action="edited")
    return name


@attack("somebody's approval, quoted")
def quoted(world):
    name = world.waiting()
    world.ask(f"> /segue approve {name}")
    return name


@attack("somebody's line that holds an approval behind a separator, quoted")
def quoted_with_a_separator(world):
    name = world.waiting()
    for separator in "\u2028\u2029\x85\x0b\x0c\x1c":
        world.ask(f"> well done{separator}/segue approve {name}\n\nI do not think so")
    return name


@attack("somebody's approval, in a quote of many lines")
def quoted_in_many_lines(world):
    name = world.waiting()
    world.ask(f">>>\nhe wrote:\n/segue approve {name}\n>>>")
    return name


@attack("an approval in a code block that shows how code blocks are written")
def nested_fence(world):
    name = world.waiting()
    world.ask(f"````\n```\n/segue approve {name}\n```\n````")
    return name


@attack("an approval in a code block")
def fenced(world):
    name = world.waiting()
    world.ask(f"look:\n```\n/segue approve {name}\n```\n~~~sh\n/segue approve {name}\n~~~")
    return name


@attack("an approval in the middle of a line")
def midline(world):
    name = world.waiting()
    world.ask(f"never write /segue approve {name}\nalso not:/segue approve {name}")
    return name


@attack("a comment in another repository")
def elsewhere(world):
    name = world.waiting()
    world.ask(f"/segue approve {name}", repository="ml/beer")
    return name


@attack("a comment from before the release waited")
def too_early(world):
    first = world.waiting()
    world.ask(f"/segue reject {first}", who="sue")
    world.host.silent = True
    world.ask("/segue approve")
    second = world.waiting(pusher=None)
    world.host.silent = False
    world.settle(60)
    return second


@attack("a stored command that claims a place at a host where it was never said")
def claimed_place(world):
    name = world.waiting(GROUPED)
    world.host.groups["ml/leads"] = {"bob"}
    told = {"verb": "approve", "subject": name, "where": "pull/7", "groups": ["@ml/leads"]}
    headers = {"Authorization": f"Bearer {world.people['eve']}"}
    world.intake.post("/api/v1/commands", json=told, headers=headers)
    world.settle()
    return name


@attack("a machine's order to approve")
def ordered(world):
    name = world.waiting()
    with world.store.change() as change:
        change.save_source(Source("ci", "hook", "", ("*",)))
    body = json.dumps({"command": "approve", "target": "wine/production"}).encode()
    stamp = f"{world.clock.now:.0f}"
    signature = signing.sign(SECRET, f"m1.{stamp}.".encode() + body)
    headers = {"webhook-id": "m1", "webhook-timestamp": stamp, "webhook-signature": signature}
    world.intake.post("/hooks/ci", data=body, headers=headers)
    world.settle()
    return name


# --- whoever may not ---------------------------------------------------------------------------


@attack("its author, with a token")
def author_by_token(world):
    name = world.waiting(author="bob", pusher="sue")
    world.say("approve", name, who="bob")
    return name


@attack("its author, written in other letters")
def author_in_capitals(world):
    name = world.waiting(author="BOB", pusher="sue")
    world.say("approve", name, who="bob")
    world.ask(f"/segue approve {name}")
    return name


@attack("its author, with letters that only look the same to people")
def author_composed(world):
    name = world.waiting(author="\uff42o\u0062", pusher="sue")  # a wide b
    world.say("approve", name, who="bob")
    return name


@attack("its author, by a comment")
def author_by_comment(world):
    name = world.waiting(author="bob", pusher="sue")
    world.ask(f"/segue approve {name}")
    return name


@attack("who pushed, under another author's name")
def pusher(world):
    name = world.waiting(author="Somebody Else", pusher="bob")
    world.ask(f"/segue approve {name}")
    world.say("approve", name, who="bob")
    return name


@attack("its author by a second account at the host")
def second_login(world):
    people.name(world.store, "sue", ("Sue Example", "code:sue", "code:bob"))
    name = world.waiting(author="Sue Example", pusher="ann")
    world.ask(f"/segue approve {name}", who="bob")
    return name


@attack("who pushed, by a second account that has a token")
def second_token(world):
    people.name(world.store, "annie", ("code:ann", "eve"))
    name = world.waiting(author="Somebody Else", pusher="ann")
    world.say("approve", name, who="eve")
    return name


@attack("one person with a token and a login, for two")
def twice_by_two_ways(world):
    name = world.waiting(TWO)
    world.ask(f"/segue approve {name}")
    world.say("approve", name, who="bob")
    return name


@attack("one person whose accounts were told twice, in other letters")
def told_twice(world):
    people.name(world.store, "Robert", ("code:bob", "code:kim"))
    people.name(world.store, "robert", ("code:sue", "code:kim"))
    with world.store.read() as read:
        assert people.everybody(read) == {"robert": ("code:kim", "code:sue", "robert")}
    people.name(world.store, "ROBERT", ("code:bob", "code:sue"))
    name = world.waiting(TWO)
    world.ask(f"/segue approve {name}", who="bob")
    world.ask(f"/segue approve {name}", who="sue")
    return name


@attack("one person with two logins, for two")
def twice_by_two_logins(world):
    people.name(world.store, "robert", ("code:bob", "code:sue"))
    name = world.waiting(TWO)
    world.ask(f"/segue approve {name}", who="bob")
    world.ask(f"/segue approve {name}", who="sue")
    return name


@attack("one person who says it twice, for two")
def twice(world):
    name = world.waiting(TWO)
    world.say("approve", name, who="bob")
    world.say("approve", name, who="bob")
    return name


@attack("who may only read at the host")
def reader(world):
    name = world.waiting()
    world.ask(f"/segue approve {name}", who="eve")
    return name


@attack("a stranger at the host")
def stranger(world):
    name = world.waiting()
    world.ask(f"/segue approve {name}", who="mallory")
    return name


@attack("somebody who is not on the list")
def not_listed(world):
    name = world.waiting(LISTED)
    world.ask(f"/segue approve {name}", who="sue")
    world.say("approve", name, who="eve")
    return name


@attack("the same name at another host as one who is on the list")
def same_name_elsewhere(world):
    name = world.waiting(WINE + 'approvals: {count: 1, from: ["code:sue"]}\n')
    world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    said_elsewhere(world, name, "other:sue")
    return name


def said_elsewhere(world, name, actor, groups=(), verb="approve", reason=None):
    """What a comment at another host becomes."""
    where, now = "pull/7", world.clock.now
    command = Command(verb, name, None, reason, actor, "other", now, (), where, groups)
    with world.store.change() as change:
        change.add_work(Work("command", "command", "command:x", "x", COMMAND.dump(command)))
    world.settle()


@attack("a group of the same name at another host")
def same_group_elsewhere(world):
    name = world.waiting(GROUPED)
    other = world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    other.groups["ml/leads"] = {"bob"}
    said_elsewhere(world, name, "other:bob", ("@ml/leads",))
    return name


@attack("who may write to another connected repository")
def writer_elsewhere(world):
    name = world.waiting()
    other = world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    other.people["mallory"] = Permission.ADMIN
    said_elsewhere(world, name, "other:mallory")
    return name


@attack("an override by an admin of another connected repository")
def admin_elsewhere(world):
    name = world.waiting()
    other = world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    other.people["mallory"] = Permission.ADMIN
    said_elsewhere(world, name, "other:mallory", verb="override", reason="INC-812")
    return name


# --- who may no more ---------------------------------------------------------------------------


@attack("somebody whose right was taken away before the release began")
def right_taken(world):
    holder, name = queued(world)
    world.host.people["bob"] = Permission.READ
    turn_comes(world, holder)
    assert "may not write" in world.release(name).reason
    return name


@attack("somebody who left the group before the release began")
def left_group(world):
    world.host.groups["ml/leads"] = {"bob"}
    holder, name = queued(world, GROUPED)
    world.host.groups["ml/leads"] = set()
    turn_comes(world, holder)
    assert "is not among the people" in world.release(name).reason
    return name


@attack("somebody whose token ended before the release began")
def token_ended(world):
    holder, first = queued(world)
    world.ask(f"/segue reject {first}")
    world.say("abort", first, who="ann")
    name = world.waiting()
    world.say("approve", name, who="bob")
    assert world.phase(name) is Phase.QUEUED
    tokens.make(world.store, "bob", role=tokens.VERDICTS)
    turn_comes(world, holder)
    assert "no valid token" in world.release(name).reason
    return name


@attack("somebody whom a changed rule names no more")
def rule_changed(world):
    holder, name = queued(world, LISTED)
    rules = LISTED.replace('"code:bob", bob', "kim") + "on: {branches: [never]}\n"
    world.host.commit({"segue.yaml": rules.encode(), "requirements.lock": b"", "serve.py": b"1"})
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    turn_comes(world, holder)
    assert "rule `approvals`" in world.release(name).reason
    return name


@attack("an approval that expired while it waited for its turn")
def expired(world):
    holder, name = queued(world, WINE + "approvals: {count: 1, expires: 10m}\n")
    world.clock.now += 1000
    turn_comes(world, holder)
    assert "has expired" in world.release(name).reason
    return name


@attack("somebody of whom it is told too late that they pushed")
def told_late(world):
    holder = world.waiting()
    world.ask(f"/segue approve {holder}")
    name = world.waiting(author="Somebody Else", pusher=None)
    world.say("approve", name, who="bob")
    assert world.phase(name) is Phase.QUEUED
    commit = world.release(name).cause.commit
    with world.store.change() as change:
        change.record(f"commit-{commit}", "code:bob", "pushed", {"source": "code", "ref": "refs/heads/main"})
    turn_comes(world, holder)
    assert "who pushed" in world.release(name).reason
    return name


# --- the API and the page ----------------------------------------------------------------------


def api(world, name, headers, **more):
    told = {"verb": "approve", "subject": name, **more}
    answer = world.intake.post("/api/v1/commands", json=told, headers=headers)
    world.settle()
    return answer.status_code


@attack("headers that a proxy would have set")
def forwarded_header(world):
    name = world.waiting()
    for header in ("X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Auth-Request-User"):
        assert api(world, name, {header: "bob", "X-Forwarded-For": "127.0.0.1"}) == 401
        assert (
            world.web.post("/-/commands", data={"verb": "approve"}, headers={header: "bob"}).status_code
            == 401
        )
    return name


@attack("a body that says who it is from")
def claimed_actor(world):
    name = world.waiting(LISTED)
    headers = {"Authorization": f"Bearer {world.people['eve']}"}
    for claim in ({"actor": "bob"}, {"accounts": ["bob"]}, {"authority": ["bob"]}):
        assert api(world, name, headers, **claim) == 400
    return name


@attack("a wrong channel, claimed")
def claimed_channel(world):
    name = world.waiting(LISTED)
    headers = {"Authorization": f"Bearer {world.people['eve']}"}
    for channel in ("code", "page", "slack:#ml-release"):
        assert api(world, name, headers, channel=channel) == 400
    return name


@attack("a token that may only ask for verdicts")
def verdicts_token(world):
    name = world.waiting()
    secret = tokens.make(world.store, "kim", role=tokens.VERDICTS)
    assert api(world, name, {"Authorization": f"Bearer {secret}"}) == 403
    return name


@attack("an expired token")
def expired_token(world):
    name = world.waiting()
    secret = tokens.make(world.store, "kim", expires=world.clock.now - 1)
    assert api(world, name, {"Authorization": f"Bearer {secret}"}) == 401
    return name


@attack("the stored digest of a token, as a token")
def stolen_digest(world):
    name = world.waiting()
    digest = tokens.digest_of(world.people["bob"])
    assert api(world, name, {"Authorization": f"Bearer {digest}"}) == 401
    return name


def form(world, name):
    bob = Visitor(world)
    bob.get(f"/-/releases/{name}")
    return bob, bob.form("approve")


@attack("a form of another site")
def other_site(world):
    name = world.waiting()
    bob, fields = form(world, name)
    answer = bob.client.post("/-/commands", data=fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    world.settle()
    return name


@attack("a form without its login's proof")
def no_proof(world):
    name = world.waiting()
    bob, fields = form(world, name)
    _, others = form(world, name)
    for proof in ("", others["proof"]):
        assert bob.client.post("/-/commands", data={**fields, "proof": proof}).status_code == 403
    world.settle()
    return name


@attack("a form after the logout")
def logged_out(world):
    name = world.waiting()
    bob, fields = form(world, name)
    cookie = bob.client.get_cookie("segue-page", path="/-/").value
    sessions.end(world.store, cookie)
    assert bob.client.post("/-/commands", data=fields).status_code == 401
    world.settle()
    return name


@attack("a link that was used already")
def used_link(world):
    code = sessions.offer(world.store, world.people["bob"])
    assert sessions.redeem(world.store, code)
    name = world.waiting()
    assert world.web.post("/-/login/link", data={"code": code}).status_code == 401
    return name


@attack("a command by GET")
def by_get(world):
    name = world.waiting()
    bob, fields = form(world, name)
    assert bob.client.get("/-/commands", query_string=fields).status_code in {404, 405}
    world.settle()
    return name


@attack("its author, by the page")
def author_by_page(world):
    name = world.waiting()
    bob, fields = form(world, name)
    again = world.waiting(author="bob", pusher="sue")
    bob.send(
        {
            **fields,
            "subject": again,
            "digest": world.release(again).plan,
            "seen": "",
            "once": f"{time.time()}",
        }
    )
    return again


# --- break glass -------------------------------------------------------------------------------


@attack("an override by somebody who may write, and is no admin")
def override_by_writer(world):
    name = world.waiting()
    (answer,) = world.ask(f"/segue override {name} I am in a hurry")
    assert "only admins override" in answer
    return name


@attack("an admin's override without a reason")
def override_without_reason(world):
    name = world.waiting()
    (answer,) = world.ask(f"/segue override {name}", who="ann")
    assert "say why" in answer
    return name


@attack("an admin's override of another release's plan")
def override_of_other_plan(world):
    first = world.waiting()
    plan = world.release(first).plan
    name = world.waiting()
    world.ask(f"/segue override {name} {plan[:19]} INC-812", who="ann")
    return name


@attack("an override that was given an hour ago")
def override_over(world):
    holder, name = world.waiting(), None
    world.ask(f"/segue approve {holder}")
    name = world.waiting()
    world.ask(f"/segue override {name} INC-812", who="ann")
    assert world.phase(name) is Phase.QUEUED
    world.clock.now += 3700
    turn_comes(world, holder)
    return name


def overridden_in_queue(world):
    """The one on its way, and one behind it that an admin at the host overrides; both names."""
    holder = world.waiting()
    world.ask(f"/segue approve {holder}")
    name = world.waiting()
    world.ask(f"/segue override {name} INC-812", who="ann")
    assert world.phase(name) is Phase.QUEUED
    return holder, name


@attack("an override by somebody who is no admin any more when the turn comes")
def override_by_former_admin(world):
    holder, name = overridden_in_queue(world)
    world.host.people["ann"] = Permission.WRITE
    assert world.say("abort", holder, who="bob").ok
    world.settle()
    assert "code:ann: may not override any more" in world.release(name).reason
    return name


@attack("an override by a token that was revoked before the turn came")
def override_by_revoked_token(world):
    holder = world.waiting()
    world.ask(f"/segue approve {holder}")
    name = world.waiting()
    assert world.say("override", name, who="bob", reason="INC-812").ok
    assert world.phase(name) is Phase.QUEUED
    tokens.revoke(world.store, "bob")
    turn_comes(world, holder)
    assert "bob: may not override any more" in world.release(name).reason
    return name


def test_an_override_that_still_is_one_begins_when_its_turn_comes(world):
    holder, name = overridden_in_queue(world)
    turn_comes(world, holder)
    assert world.phase(name) in BEGUN


def test_an_override_that_is_decided_twice_is_counted_and_told_once(world, monkeypatch):
    name, count = world.waiting(), meters.OVERRIDES.labels("wine/production")._value
    before, real, decided = count.get(), Change.finish, []

    def overtaken(change, work):
        """Somebody else's change comes first, the first time."""
        if work.kind == "command" and not decided:
            decided.append(work)
            raise Conflict("another change came first")
        return real(change, work)

    monkeypatch.setattr(Change, "finish", overtaken)
    with capture_logs() as logs:
        assert world.say("override", name, reason="INC-812").ok
    assert decided
    assert count.get() == before + 1
    assert [one["event"] for one in logs].count("rules overridden") == 1
    assert [e.action for e in world.store.record_of(name)].count("rules overridden") == 1


def test_without_an_attack_an_approval_and_an_override_let_a_release_begin(world):
    name = world.waiting()
    world.ask(f"/segue approve {name}")
    assert world.phase(name) in BEGUN
    world.say("abort", name, who="ann")
    name = world.waiting()
    world.ask(f"/segue override {name} INC-812", who="ann")
    assert world.phase(name) in BEGUN
    (entry,) = [e for e in world.store.record_of(name) if e.action == "rules overridden"]
    assert (entry.actor, entry.detail["reason"]) == ("code:ann", "INC-812")
    assert any("rules overridden by code:ann" in report.title for report in world.host.reports)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_lets_nothing_begin(world, name):
    release = ATTACKS[name](world)
    assert release is not None
    assert world.phase(release) not in BEGUN
    assert world.release(release).epoch == 0


def test_the_list_holds_at_least_forty():
    assert len(ATTACKS) >= 40
