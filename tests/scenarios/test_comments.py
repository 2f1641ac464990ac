"""Commands as comments at a Git host: who may give them, that each counts once, and what is answered there."""

import hashlib
import hmac
import json
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from handlers.hints import CommentHint, RefHint
from policies import roles
from policies.events import Command
from policies.release import Phase, Target
from service.adapters.memory.git import MAIN, MemoryGit
from service.arrivals import commenting, remarks
from service.arrivals.commenting import LATE_SECONDS
from service.arrivals.redelivering import EVERY_SECONDS
from service.identity import callers
from service.intake import Door
from service.ports.connections import Source
from service.ports.git import Permission
from service.ports.outcomes import Retry
from service.store.queue import Work
from service.store.rows import TargetRow
from service.store.states import COMMAND, TARGET
from tests.scenarios.conftest import SECRET, WINE, World

APPROVED = WINE + "approvals: {count: 1}\n"
SOURCE = Source("code", "gitea", "https://git.example/ml/wine")
IDS = {"ann": 1, "bob": 2, "eve": 3, "sue": 4}


class Silent(MemoryGit):
    """Does not say who may do what, as long as it is `silent`."""

    silent = False

    def may(self, login):
        if self.silent:
            raise Retry("people are not known now")
        return super().may(login)


class Hosted(World):
    """The same, with a repository at a Git host, whose people talk below a pull request."""

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.host = self.connect(SOURCE, Silent())
        self.host.people = {
            "ann": Permission.ADMIN,
            "bob": Permission.WRITE,
            "sue": Permission.WRITE,
            "eve": Permission.READ,
        }
        self.comments = 0

    def deliver(self, event, body):
        body = json.dumps(body).encode()
        self.deliveries += 1
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        names = {"Event": event, "Delivery": f"g{self.deliveries}", "Signature": signature}
        headers = {f"X-Gitea-{name}": value for name, value in names.items()}
        assert self.intake.post("/hooks/code", data=body, headers=headers).status_code == 202

    def ask(self, text, who="bob", number=None, repository="ml/wine", action="created"):
        """A comment below pull request 7; what stands there afterwards of ours."""
        self.comments += 1
        person = {"id": IDS.get(who, 99), "login": who}
        said = {"id": number or self.comments, "body": text, "user": person}
        told = {"action": action, "is_pull": True, "issue": {"number": 7}, "comment": said, "sender": person}
        self.deliver("issue_comment", told | {"repository": {"full_name": repository}})
        self.settle()
        return self.told()

    def told(self):
        return [text for (where, _), text in self.host.comments.items() if where == "pull/7"]

    def version(self, files, author="Ann Example", pusher="ann"):
        """Commit and push; `pusher` None: only a sweep finds it."""
        content = {path: text.encode() for path, text in files.items()}
        commit = self.host.commit(content, author=author)
        if pusher:
            sender = {"id": IDS[pusher], "login": pusher}
            self.deliver("push", {"ref": MAIN, "before": "0" * 40, "after": commit, "sender": sender})
        else:
            self.clock.now += self.settings.sweep_seconds
        self.settle()
        return self.releases()[-1]

    def waiting(self, rules=APPROVED, **how):
        """A release that waits for approval."""
        files = {"segue.yaml": rules, "requirements.lock": "", "serve.py": f"{len(self.releases())}"}
        release = self.version(files, **how)
        assert release.phase is Phase.APPROVAL
        return release.name

    def phase(self, name):
        return self.release(name).phase


@pytest.fixture
def world(tmp_path, stores):
    made = Hosted(tmp_path, **stores)
    yield made
    made.close()


GROUPED = WINE + 'approvals: {count: 1, from: "@ml/leads"}\n'


def test_somebody_of_the_group_approves_and_nobody_else(world):
    name = world.waiting(GROUPED)
    world.ask(f"/segue approve {name}", who="bob")
    assert "is not among the people named by `approvals: {from: [@ml/leads]}`" in world.told()[-1]
    assert world.phase(name) is Phase.APPROVAL
    world.host.groups["ml/leads"] = {"ann", "bob"}
    world.ask(f"/segue approve {name}", who="ann")
    assert world.phase(name) is Phase.APPROVAL, "who pushed it is in the group, too"
    world.ask(f"/segue approve {name}", who="bob")
    assert world.phase(name) is not Phase.APPROVAL


def test_a_group_is_refused_where_the_files_source_knows_nobody(world):
    world.push({"segue.yaml": GROUPED.replace("wine", "beer"), "requirements.lock": ""})
    world.settle()
    (report,) = world.git.reports
    assert "the file's source does not know the members of a group; name people" in report.text
    assert world.releases() == []


def test_a_group_of_another_host_approves_nothing_here(world):
    name = world.waiting(GROUPED)
    other = world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    other.groups["ml/leads"] = {"bob"}
    beer = GROUPED.replace("name: wine", "name: beer").encode()
    other.commit({"segue.yaml": beer, "requirements.lock": b"", "serve.py": b""})
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert [row.source for row in world.store.models()] == ["other", "code"]
    command = Command("approve", name, None, None, "other:bob", "other", world.clock.now, (), "pull/7")
    with world.store.change() as change:
        change.add_work(Work("command", "command", "command:x", "x", COMMAND.dump(command)))
    world.settle()
    assert "other has no say about wine/production; it is declared at code" in world.store.answer("x")["text"]
    assert world.phase(name) is Phase.APPROVAL
    with world.store.change() as change:  # by their roles they speak anywhere, and the group is another still
        callers.give(change, "other:bob", roles.grant("approver", "wine"), "segue")
        change.add_work(Work("command", "command", "command:y", "y", COMMAND.dump(command)))
    world.settle()
    assert "is not among the people named" in world.store.answer("y")["text"]
    assert world.phase(name) is Phase.APPROVAL


def test_a_comment_learns_nothing_of_what_another_repository_declares(world):
    world.waiting()
    world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    with world.store.change() as change:
        change.save_target(TargetRow("wine/production", TARGET.dump(Target("wine/production"))))
    for key, where in (("x", "other"), ("y", "code")):
        command = Command("rollback", "ale", None, None, f"{where}:bob", where, world.clock.now, (), "pull/7")
        with world.store.change() as change:
            change.add_work(Work("command", "command", f"command:{key}", key, COMMAND.dump(command)))
        world.settle()
    assert world.store.answer("x")["text"] == "which target is 'ale'? known here: none"
    assert world.store.answer("y")["text"] == "which target is 'ale'? known here: wine/production"


@pytest.mark.parametrize(
    "verb", ["abort", "retry", "rollback", "repair", "hand-back", "start", "replay-event"]
)
def test_a_comment_has_no_say_about_what_another_repository_declares(world, verb):
    name = world.waiting()
    world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    subject = {
        "start": "wine",
        "rollback": "wine",
        "repair": "wine",
        "hand-back": "wine",
        "replay-event": "1",
    }.get(verb, name)
    command = Command(verb, subject, None, None, "other:bob", "other", world.clock.now, (), "pull/7")
    with world.store.change() as change:
        change.save_target(TargetRow("wine/production", TARGET.dump(Target("wine/production"))))
        change.add_work(Work("command", "command", "command:x", "x", COMMAND.dump(command)))
    world.settle()
    assert "other has no say about" in world.store.answer("x")["text"]
    assert [one.name for one in world.releases()] == [name]
    assert world.phase(name) is Phase.APPROVAL


def test_a_comment_that_names_no_release_means_one_of_its_own_repository(world):
    name = world.waiting()
    world.connect(Source("other", "gitea", "https://elsewhere.example/ml/beer"), MemoryGit())
    command = Command("abort", None, None, None, "other:bob", "other", world.clock.now, (), "pull/7")
    with world.store.change() as change:
        change.add_work(Work("command", "command", "command:x", "x", COMMAND.dump(command)))
    world.settle()
    assert world.store.answer("x")["text"] == "there is no release to abort; see: segue releases"
    world.ask("/segue reject")
    assert world.phase(name) is Phase.REJECTED


@pytest.mark.every_store
def test_somebody_who_may_write_approves_by_a_comment_and_is_answered_there(world):
    name = world.waiting()
    (answer,) = world.ask(f"/segue approve {name} looks good\n\nThank you!")
    assert answer.startswith(f"```text\n/segue approve {name} looks good\n{name} is ")
    assert world.phase(name) is not Phase.APPROVAL
    (entry,) = [e for e in world.store.record_of(name) if e.action == "command"]
    assert (entry.actor, entry.detail["channel"], entry.detail["reason"]) == (
        "code:bob",
        "code",
        "looks good",
    )


def test_whoever_pushed_cannot_approve_whatever_the_commit_says(world):
    name = world.waiting(author="Somebody Else", pusher="bob")
    (answer,) = world.ask(f"/segue approve {name}")
    assert "code:bob: who pushed a commit cannot approve it" in answer
    assert not world.say("approve", name, who="bob").ok
    assert world.phase(name) is Phase.APPROVAL
    assert world.say("approve", name, who="ann").ok


def test_an_author_is_known_by_the_login_too(world):
    name = world.waiting(author="Bob", pusher="ann")
    assert "an author cannot approve" in world.ask(f"/segue approve {name}")[0]
    assert world.phase(name) is Phase.APPROVAL


def test_a_commit_that_nobody_told_the_pusher_of_is_not_approved_by_a_comment(world):
    name = world.waiting(pusher=None)
    assert "nobody told who pushed" in world.ask(f"/segue approve {name}")[0]
    assert world.phase(name) is Phase.APPROVAL
    assert world.say("approve", name).ok


@pytest.mark.parametrize("who", ["eve", "nobody"])
def test_who_may_not_write_there_is_not_obeyed_and_not_answered(world, who):
    name = world.waiting()
    for line in (f"/segue reject {name}", "/segue rejct", "/segue help"):
        assert world.ask(line, who=who) == []
    assert world.phase(name) is Phase.APPROVAL
    assert world.store.work_of(f"code:{world.comments}:0") == []


def test_a_right_that_was_taken_away_is_gone_at_once(world):
    name = world.waiting()
    world.host.people["bob"] = Permission.NONE
    assert world.ask(f"/segue reject {name}") == []
    assert world.phase(name) is Phase.APPROVAL


@pytest.mark.parametrize("how", [{"action": "edited"}, {"repository": "ml/beer"}, {"repository": "l/wine"}])
def test_an_edited_comment_and_one_in_another_repository_never_count(world, how):
    name = world.waiting()
    assert world.ask(f"/segue reject {name}", **how) == []
    assert world.phase(name) is Phase.APPROVAL


def test_a_comment_counts_once_however_often_and_however_late_it_is_delivered(world):
    name = world.waiting()
    text = f"/segue reject {name}"
    world.ask(text, number=5)
    assert world.phase(name) is Phase.REJECTED
    world.ask(f"/segue retry {name}", number=6)
    world.ask(f"/segue retry {name}", number=6)
    assert len(world.releases()) == 2
    world.store.forget_work(world.clock.now + 1)
    world.ask(f"/segue retry {name}", number=6)
    assert len(world.releases()) == 2
    assert len(world.told()) == 2


def test_every_line_is_answered_and_a_wrong_one_with_what_to_write(world):
    name = world.waiting()
    answers = world.ask(f"/segue aprove {name}\n> /segue reject {name}\n/segue rollback\n/segue help")
    assert len(answers) == 3
    assert "did you mean `/segue approve`?" in answers[0]
    assert "rollback which target?" in answers[1]
    assert "/segue pause [release] [reason]" in answers[2]
    assert world.phase(name) is Phase.APPROVAL


def test_of_many_lines_only_the_first_ten_count(world):
    assert len(world.ask("/segue help\n" * 30)) == 10


def test_while_the_host_cannot_say_who_it_is_the_comment_waits(world):
    name = world.waiting()
    world.host.gone = "the host is away"
    assert world.ask(f"/segue reject {name}") == []
    world.host.gone = None
    world.settle(60)
    assert world.phase(name) is Phase.REJECTED
    assert len(world.told()) == 1


def test_a_comment_that_waited_does_not_approve_what_came_after_it(world):
    first = world.waiting()
    world.ask(f"/segue reject {first}", who="sue")
    world.host.silent = True
    world.ask("/segue approve")
    second = world.waiting(pusher=None)
    world.host.silent = False
    world.settle(60)
    assert world.phase(second) is Phase.APPROVAL
    assert "has waited only since after you wrote" in world.told()[-1]


def test_a_token_and_a_login_of_one_name_are_one_person(world):
    name = world.waiting(APPROVED.replace("count: 1", "count: 2"))
    assert world.say("approve", name, who="bob").ok
    world.ask(f"/segue approve {name}")
    assert world.phase(name) is Phase.APPROVAL
    world.ask(f"/segue approve {name}", who="sue")
    assert world.phase(name) is not Phase.APPROVAL


def test_a_list_of_approvers_names_logins_with_their_source(world):
    name = world.waiting(APPROVED.replace("count: 1", 'count: 1, from: ["code:sue", bob]'))
    assert "is not among the people" in world.ask(f"/segue approve {name}")[0]
    world.ask(f"/segue approve {name}", who="sue")
    assert world.phase(name) is not Phase.APPROVAL


def test_where_deliveries_need_no_signature_a_comment_is_no_command(tmp_path):
    world = Hosted(tmp_path, allow_unsigned=True)
    name = world.waiting()
    assert world.ask(f"/segue reject {name}") == []
    assert world.phase(name) is Phase.APPROVAL
    assert "not signed" in (world.store.dead()[0].error or "")
    world.close()


def test_an_answer_is_a_fence_that_nothing_in_it_can_end(world):
    (answer,) = world.ask("/segue ```` @everybody")
    assert answer.startswith("`````text\n")
    assert answer.endswith("\n`````")


def test_a_secret_that_is_live_makes_comments_count_also_where_others_need_none(tmp_path):
    world = Hosted(tmp_path, allow_unsigned=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "hook-code").write_bytes(SECRET)
    assert world._door("code") == Door("gitea", (SECRET,))
    name = world.waiting()
    world.ask(f"/segue reject {name}")
    assert world.phase(name) is Phase.REJECTED
    world.close()


# --- lost, and sent again ----------------------------------------------------------------------


class Forgetful(Silent):
    """Keeps what it could not deliver, and sends it again when it is asked to."""

    def __init__(self, world):
        super().__init__()
        self.world, self.lost, self.addresses = world, [], []

    def redeliver(self, address, now):
        self.addresses.append(address)
        kept, self.lost = self.lost, []
        for send in kept:
            send()
        return len(kept)


@pytest.fixture
def forgetful(tmp_path, stores):
    world = Hosted(tmp_path, **stores)
    host = world.connect(replace(SOURCE, kind="github"), Forgetful(world))
    host.people, world.host = world.host.people, host
    yield world
    world.close()


def github_comment(world, text, written):
    """What GitHub delivers of a comment of bob's that was written then."""
    person = {"id": 2, "login": "bob", "type": "User"}
    at = datetime.fromtimestamp(written, UTC).isoformat().replace("+00:00", "Z")
    said = {"id": 77, "body": text, "user": person, "created_at": at}
    told = {
        "action": "created",
        "issue": {"number": 7, "pull_request": {}},
        "comment": said,
        "sender": person,
    }
    body = json.dumps(told | {"repository": {"full_name": "ml/wine"}}).encode()
    signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = {
        "X-Hub-Signature-256": signature,
        "X-GitHub-Delivery": "g-77",
        "X-GitHub-Event": "issue_comment",
    }
    return lambda: world.intake.post("/hooks/code", data=body, headers=headers)


def test_a_comment_whose_delivery_was_lost_is_asked_for_and_obeyed_once(forgetful):
    forgetful.live()
    release = forgetful.rollout()
    with forgetful.store.change() as change:  # it is declared in another repository than the comment's
        callers.give(change, "code:bob", roles.grant("operator", "wine"), "segue")
    lost = github_comment(forgetful, f"/segue abort {release.name}", forgetful.clock.now)
    forgetful.host.lost = [lost, lost]
    forgetful.settle()
    assert forgetful.release(release.name).phase is Phase.SHIFTING
    forgetful.clock.now += EVERY_SECONDS
    forgetful.settle()
    assert forgetful.release(release.name).phase is Phase.ABORTED
    assert forgetful.host.addresses[-1].endswith("/hooks/code")
    (answered,) = forgetful.told()
    assert "is being taken back: all traffic goes to rel-1's version" in answered


def test_a_comment_that_comes_much_later_is_answered_and_not_obeyed(forgetful):
    forgetful.live()
    release = forgetful.rollout()
    github_comment(forgetful, f"/segue abort {release.name}", forgetful.clock.now - LATE_SECONDS - 1)()
    forgetful.settle()
    assert forgetful.release(release.name).phase is Phase.SHIFTING
    (answered,) = forgetful.told()
    assert "written 15 minutes before it came here" in answered


def test_an_approval_that_names_what_it_saw_holds_however_late_it_comes(forgetful):
    forgetful.version({"segue.yaml": APPROVED, "requirements.lock": "", "serve.py": "1"}, pusher=None)
    release = forgetful.releases()[-1]
    assert release.phase is Phase.APPROVAL
    with forgetful.store.change() as change:
        commenting.remember_pusher(change, SOURCE, RefHint(MAIN, "", release.cause.commit, "ann"))
    written = forgetful.clock.now
    forgetful.clock.now += 10 * LATE_SECONDS
    github_comment(forgetful, f"/segue approve {release.name} {release.plan[:19]}", written)()
    forgetful.settle()
    assert forgetful.release(release.name).phase is not Phase.APPROVAL


def test_an_approval_that_was_written_before_the_release_waited_counts_for_nothing(forgetful):
    written = forgetful.clock.now
    forgetful.clock.now += 120.0
    forgetful.version({"segue.yaml": APPROVED, "requirements.lock": "", "serve.py": "1"}, pusher=None)
    release = forgetful.releases()[-1]
    github_comment(forgetful, f"/segue approve {release.name} {release.plan[:19]}", written)()
    forgetful.settle()
    assert forgetful.release(release.name).phase is Phase.APPROVAL
    assert "has waited only since after you wrote" in forgetful.told()[0]


# --- comments that no webhook told of --------------------------------------------------------


def unheard(world, text, who="bob", number=900, written=None):
    """Write below the newest release's pull request, and tell nobody."""
    at = world.clock.now if written is None else written
    commit = world.releases()[-1].cause.commit
    said = CommentHint(who, str(IDS.get(who, 99)), text, "", "pull/7", str(number), at)
    world.host.said.setdefault(commit, []).append(said)


def sweep(world):
    world.clock.now += world.settings.sweep_seconds
    world.settle()


def test_a_comment_that_no_webhook_told_of_is_found_by_a_sweep_and_obeyed_once(world):
    name = world.waiting()
    unheard(world, f"/segue approve {name}")
    world.settle()
    assert world.phase(name) is Phase.APPROVAL, "its own delivery may be on its way"
    sweep(world)
    assert world.phase(name) is not Phase.APPROVAL
    answers = world.told()
    assert len([text for text in answers if "/segue approve" in text]) == 1
    sweep(world)
    assert world.ask(f"/segue approve {name}", number=900) == answers, "by webhook it is the same comment"


def test_one_that_the_webhook_told_of_is_not_obeyed_again_by_a_sweep(world):
    name = world.waiting()
    world.ask("/segue help", number=901)
    unheard(world, "/segue help", number=901)
    before = world.told()
    sweep(world)
    assert world.told() == before
    assert world.phase(name) is Phase.APPROVAL


@pytest.mark.parametrize("who", ["eve", "nobody"])
def test_a_sweep_obeys_nobody_who_may_not_write_there(world, who):
    name = world.waiting()
    unheard(world, f"/segue abort {name}", who=who)
    sweep(world)
    assert world.phase(name) is Phase.APPROVAL
    assert world.told() == []


def test_where_an_edit_may_go_unseen_nobody_approves_by_a_comment_that_a_sweep_found(world):
    world.host.fine_times = False
    name = world.waiting()
    unheard(world, f"/segue approve {name}")
    sweep(world)
    assert world.phase(name) is Phase.APPROVAL
    assert world.told() == []
    unheard(world, f"/segue abort {name}", number=902)
    sweep(world)
    assert world.phase(name) is Phase.ABORTED
    assert world.ask(f"/segue approve {name}", number=900) != [], "its webhook is heard, however late"


def test_what_was_written_before_the_release_and_long_after_it_is_not_looked_for(world):
    written = world.clock.now - 10
    name = world.waiting()
    unheard(world, f"/segue abort {name}", written=written)
    sweep(world)
    assert world.phase(name) is Phase.APPROVAL
    assert world.ask(f"/segue abort {name}", number=903)
    assert world.phase(name) is Phase.ABORTED
    world.clock.now += remarks.RECENT_SECONDS
    before = world.told()
    unheard(world, "/segue help", number=904)
    sweep(world)
    assert world.told() == before


def test_a_host_that_does_not_tell_its_comments_is_swept_all_the_same(world, monkeypatch):
    name = world.waiting()

    def away(commit):
        raise Retry("no comments now")

    monkeypatch.setattr(world.host, "remarks", away)
    later = world.version({"serve.py": "2"}, pusher=None)
    assert later.name != name


@pytest.mark.parametrize("seed", [1, 2])
def test_of_comments_three_in_ten_of_whose_webhooks_are_lost_each_is_answered_once_within_two_sweeps(
    world, seed
):
    world.waiting()
    choice, lost = random.Random(seed), 0
    for number in range(1000, 1020):
        text = f"/segue abort rel-{number}"
        unheard(world, text, number=number)  # the host knows it, whoever is told
        times = choice.choices((0, 1, 2), (0.3, 0.6, 0.1))[0]
        lost += times == 0
        for _ in range(times):
            world.ask(text, number=number)
        world.clock.now += choice.uniform(0, 60)
        world.drain()
    for _ in range(8):
        world.clock.now += world.settings.sweep_seconds / 4
        world.settle()
    assert lost >= 3
    answered = [next(n for n in range(1000, 1020) if f"rel-{n}\n" in text) for text in world.told()]
    assert sorted(answered) == list(range(1000, 1020))
