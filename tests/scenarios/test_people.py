"""What people can do, and what they are told when they cannot."""

import pytest

from policies.release import Phase
from tests.scenarios.conftest import WINE

APPROVED = WINE + "approvals: {count: 1}\n"


def waiting(world):
    """A second version that waits for approval, pushed by ann."""
    world.push({"segue.yaml": APPROVED, "requirements.lock": "", "serve.py": "1"}, author="eve")
    world.settle()
    assert world.say("approve", "rel-1").ok
    world.play(40, until="rel-1")
    world.push({"serve.py": "2"}, author="ann")
    world.settle()
    assert world.release("rel-2").phase is Phase.APPROVAL
    return world.release("rel-2")


def test_an_author_cannot_approve_and_somebody_else_can(world):
    release = waiting(world)
    refused = world.say("approve", release.name, who="ann")
    assert not refused.ok
    assert refused.text == "ann: an author cannot approve their own release"
    assert world.say("approve", release.name, who="bob", digest=release.plan[:19]).ok
    assert world.release(release.name).phase is not Phase.APPROVAL


def test_an_approval_of_something_else_than_what_waits_is_refused_and_says_what_waits(world):
    release = waiting(world)
    refused = world.say("approve", release.name, digest="sha256:000000000000")
    assert not refused.ok
    assert release.plan[:19] in refused.text
    assert world.release(release.name).phase is Phase.APPROVAL


def test_a_branch_cannot_drop_the_approvals_and_gates_of_the_default_branch(world):
    gates = "evaluate: {run: python evaluate.py, gates: {accuracy: '>= 0.9'}}\n"
    triggers = "on: {branches: [main, 'hot/*']}\n"
    world.jobs.results[""] = {"accuracy": 0.95}
    files = {"segue.yaml": APPROVED + gates + triggers, "requirements.lock": "", "serve.py": "1"}
    world.push(files, author="eve")
    world.settle()
    assert world.say("approve", "rel-1").ok
    world.play(40, until="rel-1")
    world.jobs.results[""] = {"accuracy": 0.1}
    world.push({**files, "segue.yaml": WINE + triggers, "serve.py": "2"}, ref="refs/heads/hot/fix")
    world.settle()
    assert world.release("rel-2").phase is Phase.REFUSED
    assert "accuracy is 0.1" in world.release("rel-2").reason


def test_rejected_means_ended_with_the_reason(world):
    release = waiting(world)
    reply = world.say("reject", "wine", reason="not before Monday")
    assert (reply.ok, reply.text) == (
        True, f"{release.name} is rejected, and no user has met it; rel-1's version serves wine/production as before"
    )  # fmt: skip
    assert world.release(release.name).phase is Phase.REJECTED
    assert world.release(release.name).reason == "bob rejected it: not before Monday"


def test_the_reason_of_an_approval_stands_in_the_record(world):
    release = waiting(world)
    assert world.say("approve", release.name, reason="looks good").ok
    commands = [e.detail for e in world.store.record_of(release.name) if e.action == "command"]
    assert [(detail["verb"], detail["reason"]) for detail in commands] == [("approve", "looks good")]


def test_a_rollback_serves_the_version_before_which_was_kept_warm(world):
    first = world.live()
    second = world.rollout()
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED
    reply = world.say("rollback", "wine", reason="wrong labels")
    assert reply.ok
    assert reply.text == (
        f"{reply.release} switches wine/production back to {first.name}'s version: all traffic goes there once it"
        " was checked"
    )
    assert world.release(reply.release).phase is Phase.PROMOTED
    assert world.weights()[first.backend] == 100
    assert world.target().stable.backend == first.backend
    assert "wrong labels" in world.release(reply.release).cause.text


def test_a_second_rollback_while_the_first_is_on_its_way_does_not_undo_it(world):
    first = world.live()
    second = world.rollout()
    world.play(400, until=second.name)
    world.router.unconfirmed = 10**6
    one = world.say("rollback", "wine")
    two = world.say("rollback", "wine")
    assert two.ok
    assert two.release == one.release
    world.router.unconfirmed = 0
    world.settle(60)
    assert world.weights()[first.backend] == 100


def test_a_rollback_while_a_release_is_on_its_way_takes_that_back(world):
    first = world.live()
    second = world.rollout()
    reply = world.say("rollback", "wine")
    assert (reply.ok, reply.release) == (True, second.name)
    assert reply.text.startswith(
        f"{second.name} is being taken back: all traffic goes to {first.name}'s version,"
    )
    assert world.release(second.name).phase is Phase.ABORTED
    assert world.weights()[first.backend] == 100


def test_a_rollback_without_a_version_before_says_so(world):
    world.live()
    reply = world.say("rollback", "wine")
    assert not reply.ok
    assert "no version before" in reply.text


def test_abort_takes_the_candidate_back(world):
    first = world.live()
    second = world.rollout()
    reply = world.say("abort", reason="wrong data")
    assert reply.ok
    assert reply.text == (
        f"{second.name} is being taken back: all traffic goes to {first.name}'s version, and it ends once the router"
        " has confirmed that"
    )
    assert world.release(second.name).phase is Phase.ABORTED
    assert world.release(second.name).reason == "bob aborted: wrong data"
    assert world.weights()[first.backend] == 100


def test_a_paused_release_keeps_its_weight_until_it_is_resumed(world):
    world.live()
    second = world.rollout()
    paused = world.say("pause", second.name)
    weight = world.weights()[second.backend]
    assert f"Segue leaves it at {weight:g} % of requests, until somebody resumes" in paused.text
    world.play(60)
    assert world.weights()[second.backend] == weight
    resumed = world.say("resume", second.name)
    assert (
        resumed.text == f"{second.name} is resumed: the router is asked for 100 % of requests, at step 1 of 2"
    )
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED


def test_promote_goes_on_by_hand_and_the_record_names_who_did(world):
    world.live()
    second = world.rollout()
    world.serve(0)
    while not world.release(second.name).final:
        reply = world.say("promote", second.name)
        assert reply.ok
        assert f"{second.name} goes on without waiting: " in reply.text
        world.settle(1)
    assert f"{second.name} goes on without waiting: it is promoted" in reply.text
    second = world.release(second.name)
    assert second.phase is Phase.PROMOTED
    assert not second.proven
    assert "bob went on" in second.unproven


def test_a_retry_of_what_was_rolled_back_is_a_new_release(world):
    world.live()
    second = world.rollout()
    world.say("abort", second.name)
    reply = world.say("retry", "wine/production")
    assert reply.ok
    assert reply.text.startswith(
        f"{reply.release} tries {second.name} again: it starts, and no user meets it"
    )
    assert world.release(reply.release).retries == second.name
    world.play(400, until=reply.release)
    assert world.release(reply.release).phase is Phase.PROMOTED


def test_start_releases_what_is_declared(world):
    world.push({"segue.yaml": WINE + "on: {branches: [never]}\n", "requirements.lock": ""})
    world.settle()
    world.play(40)
    started = world.say("start", "wine")
    assert started.text == (
        f"started {started.release} on wine/production: its version is built and evaluated first, where that is not"
        " done yet"
    )
    assert world.release(started.release).cause.text == "bob started it"


def test_start_of_code_refuses_a_registered_version_by_name(world):
    world.live()
    refused = world.say("start", "wine", version="3", registry="ml")
    assert not refused.ok
    assert "leave out --registry, --version" in refused.text
    assert len(world.releases()) == 1


def test_start_releases_an_image_that_was_built_before(world):
    first = world.live()
    world.push({"serve.py": "second"})
    world.settle()
    world.play(400, until=world.releases()[-1].name)
    unknown = world.say("start", "wine", image="sha256:" + "0" * 12)
    assert "has no image" in unknown.text
    builds = len(world.parts.builder._recipes)
    again = world.say("start", "wine", image=first.image[:19])
    assert again.ok, again.text
    found = world.release(again.release)
    assert (found.version, found.image) == (first.version, first.image)
    assert len(world.parts.builder._recipes) == builds


@pytest.mark.parametrize(
    ("verb", "subject", "said"),
    [
        ("approve", "rel-99", "there is no release rel-99"),
        ("approve", None, "there is no release to approve"),
        ("approve", "rel-1", "has ended: promoted"),
        ("promote", "rel-1", "has ended"),
        ("retry", "rel-1", "nothing to try again"),
        ("retry", "beer", "there is no release of 'beer'"),
        ("retry", None, "try what again?"),
        ("rollback", "beer", "known: wine/production"),
        ("start", "beer", "known: wine"),
        ("help", None, "segue --help"),
    ],
)
def test_what_cannot_be_done_is_answered_with_what_can(world, verb, subject, said):
    world.live()
    reply = world.say(verb, subject)
    assert not reply.ok
    assert said in reply.text
