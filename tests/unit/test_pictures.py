"""What people see in a terminal."""

import io

from inline_snapshot import snapshot
from rich.console import Console

from policies.evidence import Evidence, Finding, Verdict
from policies.release import Cause, Phase, Release, Serving, Target
from policies.spec.declaration import Environment
from service.showing import terminal, views

STABLE = Serving("rel-1", 1, "v1", "sha256:1", "wine-v1", "http://127.0.0.1:1", 0.0)
FINDING = Finding(
    "errors",
    Verdict.CLEARED,
    "no more than stable's",
    (("bad", 1.0), ("requests", 400.0)),
    (0.0, 0.01),
    400,
    "nothing",
)


def release(**changes):
    given = {
        "name": "rel-2",
        "number": 2,
        "model": "wine",
        "target": "wine/production",
        "environment": Environment(),
        "version": "v2",
        "backend": "wine-v2",
        "cause": Cause("push of c0ffee to main", "ann", "git", "c" * 40),
        "began": 4e9,
    }
    return views.release(Release(**(given | changes)))


def drawn(picture):
    """The picture as plain lines."""
    out = io.StringIO()
    Console(file=out, width=110, no_color=True).print(picture)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_releases_are_a_table():
    shown = [
        release(phase=Phase.SHIFTING, observed=25.0),
        release(name="rel-1", phase=Phase.FAILED, reason="no [wheel]\nlog"),
    ]
    assert drawn(terminal.releases(shown)) == snapshot("""\
release  target           state     weight             why                     began
rel-2    wine/production  shifting  ███░░░░░░░░░ 25 %  push of c0ffee to main  0 s ago
rel-1    wine/production  failed                       no [wheel]              0 s ago\
""")


def test_nothing_yet_says_what_to_do():
    assert drawn(terminal.releases([])) == snapshot("no release yet: push a commit, or see: segue doctor")
    assert drawn(terminal.targets([])) == snapshot("nothing serves yet")
    assert drawn(terminal.events([])) == snapshot("nothing is like that")


def test_a_release_explains_itself():
    evidence = Evidence(Verdict.CLEARED, (FINDING,), 25.0, 3, 50.0, 24.0, 7)
    shown = release(
        phase=Phase.SHIFTING,
        observed=25.0,
        wanted=50.0,
        evidence=evidence,
        gates=("accuracy is 0.95, wanted >= 0.9",),
    )
    assert drawn(
        terminal.release({"release": shown, "version": None, "parked": [], "record": []})
    ) == snapshot("""\
rel-2 on wine/production  shifting
rel-2 on wine/production takes traffic: 25 % of requests, 50 % wanted
cause    push of c0ffee to main
author   ann
gate     accuracy is 0.95, wanted >= 0.9
weight   ████████░░░░░░░░░░░░░░░░░░░░░░ 25 %  wanted 50 %
evidence at 25 %: cleared, allows up to 50 %
guard   verdict  why
errors  cleared  no more than stable's
                 1 of 400 (0.25 %) bad
                 next: nothing
record
when  who  what\
""")


def test_a_release_that_waits_for_approval_says_what_to_type():
    shown = release(phase=Phase.APPROVAL, plan="sha256:" + "a" * 64)
    assert drawn(
        terminal.release({"release": shown, "version": None, "parked": [], "record": []})
    ) == snapshot("""\
rel-2 on wine/production  approval
rel-2 on wine/production waits for approval
cause    push of c0ffee to main
author   ann
approve  segue approve rel-2 sha256:aaaaaaaaaaaa
record
when  who  what\
""")


def test_a_promotion_that_is_not_proven_says_why():
    shown = release(phase=Phase.PROMOTED, unproven=("there was no stable version to compare with",))
    assert drawn(
        terminal.release({"release": shown, "version": None, "parked": [], "record": []})
    ) == snapshot("""\
rel-2 on wine/production  promoted
rel-2 on wine/production is promoted (not proven)
cause    push of c0ffee to main
author   ann
proof    not proven: there was no stable version to compare with
record
when  who  what\
""")


def test_targets_show_what_serves_and_what_is_kept_warm():
    target = views.target(
        Target("wine/production", 3, "rel-2", 2, STABLE, None), "http://127.0.0.1:8480/wine"
    )
    assert drawn(terminal.targets([target])) == snapshot("""\
target           stable  kept warm  holder  address
wine/production  rel-1   -          rel-2   http://127.0.0.1:8480/wine\
""")


def test_a_target_that_is_handed_back_says_what_it_waits_for():
    waits = "a copy still answers"
    target = views.target(Target("wine/production", 3, "hand-back", 2, STABLE, None), None, waits)
    assert drawn(terminal.targets([target])).endswith("wine/production waits: a copy still answers")


def test_a_weight_that_is_small_is_still_seen():
    assert terminal.bar(0.5, 10).plain == snapshot("█░░░░░░░░░ 0.5 %")
    assert terminal.bar(0, 10).plain == snapshot("░░░░░░░░░░ 0 %")
    assert terminal.bar(100, 10).plain == snapshot("██████████ 100 %")


def test_the_record_shows_what_a_person_said_and_was_told():
    told = {"verb": "approve", "subject": "rel-2", "reply": "rel-2 is starting", "channel": "cli"}
    said = [{"at": 0.0, "actor": "bob", "action": "command", "detail": {**told, "reason": reason}}
            for reason in ("looks good", "")]  # fmt: skip
    lines = [line.rstrip() for line in drawn(terminal.record(said)).splitlines()[2:]]
    assert lines[0].endswith("approve (looks good): rel-2 is starting")
    assert lines[1].endswith("approve: rel-2 is starting")
