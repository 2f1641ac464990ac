"""What people are told once a command was obeyed: from the machine's own states, in one plain sentence."""

from dataclasses import replace

import pytest

from policies import replies
from policies.approvals import Approval
from policies.events import AuthorityChecked, Command, WorkloadReady
from policies.evidence import Verdict
from policies.release import Phase, Target
from policies.rollout import advance
from policies.spec.declaration import Approvals, Environment, Mode, StepSpec, Strategy
from policies.windows import Frozen
from tests.unit.test_rollout import ENVIRONMENT, STABLE, Run, make_release, make_target, ready

FREEZE = Frozen(50.0, "the freeze `22:00 - 06:00` until Wed 2023-11-15 06:00 UTC")
BY_HAND = Environment(dwell=10.0, watch=30.0, steps=(StepSpec(25.0, None), StepSpec(100.0, 10.0)))
TWO = replace(ENVIRONMENT, approvals=Approvals(2, (), None, 3600.0))


def said(run: Run, verb: str, at: float = 20.0, freeze: Frozen | None = None, ahead: str = "", **more) -> str:
    """Obey a command as the engine does, and what is told then."""
    command = Command(verb, "rel-2", None, more.pop("reason", None), more.pop("actor", "bob"), "cli", at)
    before = run.release
    decision = advance(before, run.target, command, ahead, freeze)
    run.release, run.target = decision.release, decision.target
    run.writes += [e for e in decision.effects if hasattr(e, "shares")]
    return replies.done(before, decision.release, decision.target, command)


def shifting(environment: Environment = ENVIRONMENT, target: Target | None = None) -> Run:
    run = Run(make_release(environment), target or make_target())
    run.to_shifting()
    return run


def watching() -> Run:
    run = shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    run.confirm(16)
    run.see(AuthorityChecked("", Approvals(), (), (), 16))
    run.evidence(Verdict.CLEARED, 100, at=30)
    assert run.release.phase is Phase.WATCHING
    return run


def asking(count: int = 2) -> Run:
    rule = Approvals(count, (), None, 3600.0)
    run = Run(make_release(replace(ENVIRONMENT, approvals=rule)), make_target())
    run.see(ready())
    assert run.release.phase is Phase.APPROVAL
    return run


def starting() -> Run:
    run = Run(make_release(), make_target())
    run.see(ready())
    return run


def checked_and_paused() -> Run:
    run = starting()
    run.see(WorkloadReady(run.release.step, "http://127.0.0.1:2", 2.0))
    said(run, "pause")
    run.confirm(2.5)
    run.release = replace(run.release, step="")
    return run


def shadowing() -> Run:
    return shifting(replace(ENVIRONMENT, strategy=Strategy.SHADOW))


# --- pause and resume ------------------------------------------------------------------------


def test_a_pause_says_which_weight_stays_until_when_and_that_guards_watch():
    assert said(shifting(), "pause") == (
        "rel-2 is paused at step 1 of 2: Segue leaves it at 10 % of requests, until somebody resumes or promotes"
        " it; its guards still watch, and harm takes its traffic back"
    )


def test_a_pause_while_a_weight_is_on_its_way_does_not_say_that_it_is_there():
    run = shifting()
    run.evidence(Verdict.CLEARED, 60, at=15)
    assert "leaves it at 50 % of requests, which the router has yet to confirm," in said(run, "pause")


def test_what_a_pause_says_comes_true():
    run = shifting()
    said(run, "pause")
    run.evidence(Verdict.CLEARED, 100, at=40)
    assert run.release.wanted == 10
    run.evidence(Verdict.HARM, 0, at=41)
    assert run.release.phase is Phase.RESTORING


@pytest.mark.parametrize("run", [starting, checked_and_paused], ids=["starting", "checking"])
def test_a_pause_before_any_traffic_says_that_no_user_meets_it(run):
    assert said(run(), "pause") == "rel-2 is paused: no user meets it before somebody resumes it"


def test_a_pause_in_the_shadow_says_that_no_user_meets_it():
    told = said(shadowing(), "pause")
    assert told.startswith("rel-2 is paused: no user meets it before somebody resumes or promotes it")


def test_a_release_that_is_resumed_says_at_which_step_and_from_where():
    run = shifting()
    said(run, "pause")
    assert said(run, "resume") == (
        "rel-2 is resumed: it goes on at step 1 of 2, from 10 % of requests, as its policy and evidence allow"
    )


def test_one_that_waits_for_people_says_so_when_it_is_resumed():
    run = shifting(BY_HAND)
    said(run, "pause")
    told = "rel-2 is resumed: it stays at 25 % of requests, at step 1 of 3, until somebody promotes it"
    assert said(run, "resume") == told


def test_one_that_is_resumed_in_a_freeze_says_until_when_it_is_held():
    run = shifting()
    said(run, "pause")
    told = f"rel-2 is resumed: it is held at 10 % of requests by {FREEZE.why}"
    assert said(run, "resume", freeze=FREEZE) == told


def test_one_that_is_resumed_before_any_traffic_is_asked_for_or_held():
    assert said(checked_and_paused(), "resume") == (
        "rel-2 is resumed: the router is asked for 10 % of requests, at step 1 of 2"
    )
    assert (
        said(checked_and_paused(), "resume", freeze=FREEZE) == f"rel-2 is resumed: it is held by {FREEZE.why}"
    )
    run = starting()
    said(run, "pause")
    assert said(run, "resume") == "rel-2 is resumed: it starts, and no user meets it before it was checked"


def test_one_whose_traffic_somebody_else_moved_says_that_its_weight_is_asked_for_anew():
    run = shifting(target=make_target(drift="stable has 100 %"))
    said(run, "pause")
    assert said(run, "resume") == "rel-2 is resumed: the router is asked for 10 % of requests, at step 1 of 2"


def test_in_the_shadow_and_under_watch_a_resume_says_that():
    run = shadowing()
    said(run, "pause")
    assert "at step 1 of 3, judged by copies of requests, and no user meets it yet" in said(run, "resume")
    run = watching()
    said(run, "pause", at=31)
    assert (
        said(run, "resume", at=32) == "rel-2 is resumed: it is watched at step 2 of 2, with 100 % of requests"
    )


# --- abort and reject ------------------------------------------------------------------------


def test_an_abort_says_which_version_gets_the_traffic_and_that_the_router_has_to_confirm_it():
    assert said(shifting(), "abort") == (
        "rel-2 is being taken back: all traffic goes to rel-1's version, and it ends once the router has confirmed"
        " that"
    )


def test_an_abort_of_a_first_version_does_not_say_that_another_serves():
    told = said(shifting(target=make_target(stable=None)), "abort")
    assert told.endswith("; no version served wine/production before it")
    assert "goes to" not in told


def test_an_abort_beside_what_was_found_there_says_that():
    told = said(shifting(target=make_target(stable=replace(STABLE, release=""))), "abort")
    assert "all traffic goes to what was found there" in told


@pytest.mark.parametrize("verb", ["abort", "reject"])
def test_what_ends_before_any_user_met_it_says_so_and_what_serves(verb):
    ended = {"abort": "aborted", "reject": "rejected"}[verb]
    told = f"rel-2 is {ended}, and no user has met it; rel-1's version serves wine/production as before"
    assert said(asking(), verb) == told


# --- promote ---------------------------------------------------------------------------------


def test_promote_says_the_weight_that_is_asked_for_and_what_the_record_calls_it():
    assert said(shifting(), "promote") == (
        "rel-2 goes on without waiting: the router is asked for 50 % of requests, at step 1 of 2; the record calls"
        " it *not proven*"
    )


def test_a_promote_that_the_evidence_allows_is_not_called_unproven():
    run = shifting()
    run.evidence(Verdict.CLEARED, 60, at=12)
    assert "not proven" not in said(run, "promote", at=13)


def test_a_promote_after_the_last_step_says_what_serves_and_what_is_kept():
    told = said(watching(), "promote", at=31)
    assert told.startswith(
        "rel-2 goes on without waiting: it is promoted, and serves wine/production from now on; rel-1's version is"
        " kept to go back to"
    )


# --- approvals, and what begins --------------------------------------------------------------


def test_an_approval_says_how_many_more_and_then_what_it_waits_for():
    run = asking()
    assert said(run, "approve") == "rel-2: approval noted; 1 more must approve"
    assert said(run, "approve", actor="eve", ahead="rel-1, which is on its way") == (
        "rel-2 is approved: it waits for rel-1, which is on its way"
    )
    run = asking(1)
    assert said(run, "approve", freeze=FREEZE) == f"rel-2 is approved: it is held by {FREEZE.why}"
    assert said(asking(1), "approve") == "rel-2 is approved, and begins when its turn comes"


def test_what_begins_says_what_it_waits_for():
    def ahead(run: Run, **changes) -> str:
        return replies.ahead(replace(run.release, **changes), run.target, 100.0)

    new = Run(make_release(TWO), make_target())
    built = "its version is built and evaluated first, where that is not done yet"
    assert ahead(new) == f"{built}; its rule then asks for the approval of 2 people"
    assert ahead(Run(make_release(), make_target())) == built
    assert ahead(Run(make_release(TWO, switch=True), make_target())) == built
    assert ahead(asking()) == "it waits for the approval of 2 people, until Thu 1970-01-01 01:00 UTC"
    asked = asking()
    given = (Approval("bob", asked.release.plan, 50.0),)
    assert ahead(asked, approvals=given).startswith("it waits for the approval of one person, until")
    held = Run(make_release(phase=Phase.QUEUED), make_target(holder="rel-1"))
    assert ahead(held) == "it waits for rel-1, which is on its way"
    assert (
        ahead(held, step="authority-1")
        == "it starts once it was looked up that whoever let it go on still may"
    )
    assert ahead(starting()) == "it starts, and no user meets it before it was checked"
    assert ahead(starting(), switch=True) == "all traffic goes there once it was checked"
    assert ahead(starting(), paused=True, reason="an alert fires").endswith("resumes it: an alert fires")
    over = Run(make_release(phase=Phase.REFUSED, reason="f1 is 0.1"), make_target())
    assert ahead(over) == "it was refused by a gate: f1 is 0.1"


def test_an_override_says_what_comes_next():
    told = said(asking(), "override", reason="it burns")
    assert told == (
        "rel-2 goes on against its rules for an hour, and everybody is told: it starts, and no user meets it before"
        " it was checked"
    )


# --- where somebody else decides -------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_of_one_that_is_only_watched_nothing_is_promised_that_others_decide(verb):
    watched = replace(ENVIRONMENT, mode=Mode.OBSERVE)
    run = Run(make_release(watched), make_target())
    run.see(ready())
    run.release = replace(
        run.release, phase=Phase.SHIFTING, observed=20.0, peak=20.0, paused=verb == "resume"
    )
    told = said(run, verb)
    assert "whoever shifts its traffic decides" in told
    assert "router" not in told
    assert "traffic goes" not in told
