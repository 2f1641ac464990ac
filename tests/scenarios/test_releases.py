"""A change travels to traffic, or ends with its reason, and stable stays."""

from policies.release import Phase
from service.ports.git import CommitState
from service.ports.outcomes import Refused
from tests.scenarios.conftest import WINE

GATED = WINE + "evaluate: {run: python evaluate.py, gates: {accuracy: '>= 0.9'}}\n"


def test_a_first_release_serves_and_the_record_says_not_proven(world):
    first = world.live()
    assert world.weights() == {first.backend: 100}
    assert not first.proven
    assert "not proven" in world.git.note(first.cause.commit)


def test_a_good_version_is_promoted_step_by_step_by_its_evidence_and_the_one_before_stays_warm(world):
    first = world.live()
    world.serve(200)
    second = world.rollout()
    seen = []
    while not world.release(second.name).final and len(seen) < 400:
        world.play(1)
        seen.append(world.weights()[second.backend])
    second = world.release(second.name)
    assert second.phase is Phase.PROMOTED
    assert second.proven
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert world.target().previous.backend == first.backend
    assert first.backend in world.workloads.running


def test_a_version_that_fails_requests_is_rolled_back_and_stable_serves_all(world):
    first = world.live()
    second = world.rollout()
    world.serve(1500, errors={second.backend: 0.5})
    world.play(60, until=second.name)
    assert world.release(second.name).phase is Phase.ROLLED_BACK
    assert world.weights()[first.backend] == 100
    assert world.target().stable.backend == first.backend
    world.settle()
    assert second.backend not in world.workloads.running


def test_a_plain_threshold_takes_back_after_its_fifth_minute_and_says_that_it_promises_nothing(world):
    world.live({"segue.yaml": WINE + "guards: {errors: off, old: {threshold: 5%}}\n"})
    second = world.rollout()
    world.serve(100, errors={second.backend: 0.1})
    world.play(230)
    assert world.release(second.name).phase is Phase.SHIFTING
    world.play(90, until=second.name)
    ended = world.release(second.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "old: failed requests: at most 5 % in a minute (no error guarantee)" in ended.reason


def test_a_version_that_fails_its_gate_gets_no_traffic_and_the_commit_says_why(world):
    world.jobs.results[""] = {"accuracy": 0.5}
    commit = world.push({"segue.yaml": GATED, "requirements.lock": ""})
    world.settle()
    assert world.phases() == [Phase.REFUSED]
    assert world.router.writes == []
    report = world.git.reports[-1]
    assert (report.commit, report.state) == (commit, CommitState.FAILURE)
    assert "accuracy is 0.5, wanted >= 0.9" in report.text


def test_a_broken_file_is_reported_with_all_its_mistakes_and_starts_nothing(world):
    broken = WINE.replace("risk", "rsik").replace("dwell: 5s", "dwell: soon")
    commit = world.push({"segue.yaml": broken, "requirements.lock": ""})
    world.settle()
    assert world.releases() == []
    (report,) = world.git.reports
    assert report.commit == commit
    assert "2 mistakes" in report.title
    assert "rsik" in report.text
    assert "soon" in report.text


def test_a_build_that_fails_ends_its_release_with_the_reason_and_a_retry_builds_again(world):
    finish = world.builder._finish
    world.builder._finish = lambda recipe: _failing_once(world, recipe, finish)
    world.push({"segue.yaml": WINE, "requirements.lock": ""})
    world.settle()
    assert world.phases() == [Phase.FAILED]
    assert "no wheel" in world.releases()[0].reason
    assert world.say("retry", "wine").ok
    world.play(40, until="rel-2")
    assert world.release("rel-2").phase is Phase.PROMOTED


def _failing_once(world, recipe, finish):
    if recipe.name.endswith("-1"):
        world.builder.failing[recipe.name] = "no wheel for numpy"
    return finish(recipe)


def test_a_candidate_that_answers_badly_is_taken_back_before_any_user_sees_it(world):
    first = world.live()
    world.parts.ask_preview = _refuse
    world.push({"serve.py": "2"})
    world.settle()
    second = world.releases()[-1]
    assert second.phase is Phase.FAILED
    assert second.peak == 0
    assert world.weights() == {first.backend: 100, second.backend: 0}


def _refuse(url, address, backend, health):
    raise Refused(f"the candidate answers 500 at {health}")


def test_a_version_that_serves_already_ends_at_once(world):
    first = world.live()
    world.push({"README.md": "words"}, told=True)
    world.settle()
    assert world.say("abort", world.releases()[-1].name).ok
    world.settle()
    world.git.move("refs/heads/main", first.cause.commit)
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert world.phases()[-1] is Phase.ALREADY_THERE


def test_two_pushes_of_the_same_content_while_one_is_on_its_way_never_remove_the_route(world):
    world.live()
    second = world.rollout()
    for content in ("1", "2"):
        world.push({"serve.py": content})
        world.settle()
    world.play(300, until=second.name)
    world.play(10)
    assert world.release(second.name).phase is Phase.PROMOTED
    assert world.weights()[second.backend] == 100
    assert world.phases()[-1] is Phase.ALREADY_THERE


def test_a_newer_push_supersedes_an_older_one_that_waits(world):
    world.live()
    world.rollout()
    world.push({"serve.py": "3"})
    world.settle()
    world.push({"serve.py": "4"})
    world.settle()
    assert world.phases()[-2:] == [Phase.QUEUED, Phase.QUEUED]
    assert world.say("abort", "rel-2").ok
    assert world.phases()[1:] == [Phase.ABORTED, Phase.SUPERSEDED, Phase.SHIFTING]


def test_in_a_monorepo_only_the_models_whose_folder_changed_are_released(world):
    shared = WINE.replace("name: wine\n", "")
    files = {f"{name}/segue.yaml": f"name: {name}\n{shared}" for name in ("red", "white")}
    world.push({**files, "red/requirements.lock": "", "white/requirements.lock": ""})
    world.settle()
    assert sorted(r.model for r in world.releases()) == ["red", "white"]
    world.play(40)
    world.push({"white/serve.py": "2"}, told=False)
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert [r.model for r in world.releases()][2:] == ["white"]


def test_a_tag_is_released_by_blue_green_at_once_and_watched(world):
    first = world.live()
    tagged = WINE.replace("ladder: [10%, 30%, 60%, 100%]\n", "") + "strategy: bluegreen\non: {tags: ['v*']}\n"
    world.push({"segue.yaml": tagged, "serve.py": "9"}, ref="refs/heads/release")
    world.settle()
    assert len(world.releases()) == 1
    world.git.move("refs/tags/v2", world.git.refs()["refs/heads/release"])
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    (second,) = world.releases()[1:]
    assert second.phase is Phase.WATCHING
    assert world.weights() == {first.backend: 0, second.backend: 100}
    world.play(40, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED
    assert not world.release(second.name).proven
