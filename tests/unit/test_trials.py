"""Trials of policies for the page: a process of its own, the command line's numbers, never two at once."""

import json
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from policies.spec.declaration import Environment, StepSpec, Strategy
from service import segue_yaml
from service.cli.main import group
from service.rehearsing import trial_form, trials
from service.rehearsing.offered import SHORTEST
from service.rehearsing.trials import Kind, Trial, Trials, Tried

POLICY = segue_yaml.load(SHORTEST, "model")[0].environments[0]
QUICK = Trial(replace(POLICY, ladder=(50.0, 100.0), dwell=0.0, watch=10.0), 5000.0, 0.01, 20.0)


# --- the process -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tried():
    return trials.beside(QUICK)


def test_a_trial_says_what_the_command_line_says(tried, tmp_path):
    file = tmp_path / "segue.yaml"
    file.write_bytes(SHORTEST + b"ladder: [50%, 100%]\ndwell: 0s\nwatch: 10s\n")
    words = ["--rate", "5000", "--errors", "1%", "--worse", "20", "--runs", "100"]
    said = CliRunner().invoke(group, ["simulate", str(file), *words])
    assert said.exit_code == 0, said.output
    told = [line for kind in tried.kinds for line in (kind.words, *kind.lines)]
    assert told == [line.strip() for line in said.output.splitlines()[2:]]
    assert [kind.words for kind in tried.kinds] == [
        "a version as good as stable", "a version with 20 times the errors"
    ]  # fmt: skip
    assert len(tried.panels[0].lines) == 2


def test_a_trial_that_takes_too_long_is_ended_and_says_so(monkeypatch):
    monkeypatch.setattr(trials, "CPU_SECONDS", 0)
    told = trials.beside(QUICK)
    assert told.kinds == ()
    assert "more than 0 s of a processor" in told.why_not


def test_a_process_that_ends_otherwise_is_no_slow_one_and_what_it_said_is_logged(monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no memory >&2\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with capture_logs() as logs:
        told = trials.beside(QUICK)
    assert ("could not be played" in told.why_not, told.failed) == (True, True)
    assert [(one["status"], one["said"]) for one in logs] == [(3, "no memory\n")]


def test_the_process_is_told_nothing_but_the_trial():
    order = json.dumps(trials.TRIAL.dump(QUICK))
    assert trials.TRIAL.load(json.loads(order)) == QUICK
    command = [sys.executable, "-P", "-m", "service.rehearsing.trial_child", "9"]
    wrong = subprocess.run(command, input=b"{}", capture_output=True, env={}, check=False)
    assert wrong.returncode != 0


# --- one at a time ---------------------------------------------------------------------------


def waited(asked, trial):
    """What came of it, once its thread has ended."""
    for thread in threading.enumerate():
        if thread.daemon and thread.name.endswith("(_play)"):
            thread.join(10)
    return asked.of(trial)


def test_one_is_played_at_a_time_and_kept():
    played, go = [], threading.Event()

    def play(trial):
        assert go.wait(10)
        played.append(trial)
        return Tried((Kind(f"{trial.rate:g}", ()),))

    asked = Trials(play)
    other = replace(QUICK, rate=1.0)
    assert asked.of(QUICK) is None
    assert asked.of(QUICK) is None, "it is on its way"
    assert asked.of(other) is None, "another one is"
    go.set()
    assert waited(asked, QUICK).kinds[0].words == "5000"
    assert asked.of(other) is None
    assert waited(asked, other).kinds[0].words == "1"
    assert played == [QUICK, other]


def test_what_fails_says_so_is_logged_and_holds_up_nobody():
    def play(trial):
        raise OSError("no process")

    asked = Trials(play)
    with capture_logs() as logs:
        assert asked.of(QUICK) is None
        assert "could not be played" in waited(asked, QUICK).why_not
    assert [one["event"] for one in logs] == ["trial failed"]
    other = replace(QUICK, rate=1.0)
    assert asked.of(other) is None
    assert waited(asked, other) is not None


def test_a_failure_is_told_once_and_played_again_for_whoever_asks_then():
    answers = [Tried(why_not="no memory", failed=True), Tried((Kind("good", ()),))]
    asked = Trials(lambda _: answers.pop(0))
    assert asked.of(QUICK) is None
    assert waited(asked, QUICK).why_not == "no memory"
    assert asked.of(QUICK) is None
    assert waited(asked, QUICK).kinds[0].words == "good"


# --- the form --------------------------------------------------------------------------------

GIVEN = {"rate": "50", "errors": "0.5", "worse": "3"}


def test_what_nobody_changed_is_the_policy_itself():
    form = trial_form.filled(POLICY, GIVEN)
    assert form.trial == Trial(POLICY, 50.0, 0.005, 3.0)
    told = {one.question.name: one.text for one in form.policy}
    assert told == {
        "false": "1", "dwell": "60", "weights": "1, 2, 3, 5, 7.5, 10, 15, 20, 25, 35, 50, 75, 100"
    }  # fmt: skip
    assert trial_form.filled(POLICY, told | GIVEN).trial == form.trial
    assert trial_form.written(POLICY, form.trial.environment) == ""


def test_what_was_changed_is_told_as_it_is_written_and_means_the_same():
    given = GIVEN | {"weights": "10 , 50%, 100", "dwell": "30", "false": "2"}
    tried = trial_form.filled(POLICY, given).trial.environment
    text = trial_form.written(POLICY, tried)
    assert text == "false_rollbacks: 2%\nladder: [10%, 50%, 100%]\ndwell: 30s"
    assert segue_yaml.load(SHORTEST + text.encode(), "model")[0].environments[0] == tried


def test_steps_stay_steps_with_the_time_that_was_given():
    stepped = replace(POLICY, steps=(StepSpec(5.0, 60.0), StepSpec(100.0, 600.0)))
    form = trial_form.filled(stepped, GIVEN | {"weights": "20,100", "dwell": "90"})
    assert form.trial.environment.steps == (StepSpec(20.0, 90.0), StepSpec(100.0, 90.0))
    text = trial_form.written(stepped, form.trial.environment)
    assert text == "steps: [{weight: 20%, hold: 90s}, {weight: 100%, hold: 90s}]"
    read = segue_yaml.load(SHORTEST + text.encode(), "model")[0].environments[0]
    assert read.steps == form.trial.environment.steps


def test_who_switches_at_once_is_asked_for_no_weights():
    form = trial_form.filled(replace(POLICY, strategy=Strategy.BLUEGREEN), GIVEN)
    assert [one.question.name for one in form.policy] == ["false"]
    assert form.trial is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in ("rate", "errors", "worse", "false", "dwell")
          for text in ("", "many", "nan", "inf", "-1", "1e300", "1_0", "\u0661", "<script>", "9" * 5000)),
        *(("weights", text) for text in ("", "5, 4, 100", "5", "0, 100", "5,,100", "nan", "1,2,200",
                                         ",".join(map(str, range(1, 101))), "x" * 5000)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_what_to_write(name, text):
    form = trial_form.filled(POLICY, GIVEN | {name: text})
    assert form.trial is None
    (why,) = form.wrong
    assert "write" in why
    assert len(why) < 500


def test_any_environment_has_answers_of_its_own():
    assert trial_form.filled(Environment(steps=(StepSpec(100.0, None),)), {}).trial is not None
