"""`segue simulate`: what it says of good and bad versions, in words, JSON and a picture; without a server."""

import json

import pytest
from click.testing import CliRunner

from service.cli.main import group

FILE = """\
name: churn
image: ghcr.io/acme/churn:main-*
deployment: ml/churn
route: ml/churn
false_rollbacks: 1%
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "segue.yaml"
    path.write_text(FILE)
    return path


def run(file, *words):
    return CliRunner().invoke(group, ["simulate", str(file), "--runs", "20", *words])


def test_a_busy_policy_lets_good_versions_through_and_catches_broken_ones(file):
    said = run(file, "--rate", "1000", "--worse", "50", "--json")
    assert said.exit_code == 0, said.output
    good, bad = json.loads(said.output)["kinds"]
    assert (good["good"], good["promoted"]["share"], good["rolled_back"]["share"]) == (True, 1.0, 0.0)
    assert 60 <= good["seconds_to_100"]["median"] <= 600
    assert bad["rolled_back"]["share"] == 1.0
    assert 0 < bad["failed_beyond_stable"]["median"] < 12
    assert good["rolled_back"]["high"] > 0, "twenty runs prove nothing to the last percent"
    again = run(file, "--rate", "1000", "--worse", "50", "--json")
    assert again.output == said.output, "the seed alone decides"
    assert run(file, "--rate", "1000", "--worse", "50", "--json", "--seed", "2").output != said.output


def test_low_traffic_is_told_plainly_and_a_picture_is_drawn(file, tmp_path):
    picture = tmp_path / "out.svg"
    said = run(file, "--rate", "8", "--worse", "30", "-o", str(picture))
    assert said.exit_code == 0, said.output
    assert "needs about" in said.output
    assert "at this rate" in said.output
    assert picture.read_bytes().startswith(b"<?xml")
    assert b"taken back" in picture.read_bytes()


def test_what_cannot_be_simulated_is_named(file, tmp_path):
    assert "--rate" in run(file).output
    assert "segue check" in run(tmp_path / "none.yaml").output or run(tmp_path / "none.yaml").exit_code != 0
    file.write_text(FILE + "nothing: known\n")
    assert run(file, "--rate", "5").exit_code != 0
    file.write_text(FILE)
    wrong = run(file, "--rate", "5", "--errors", "0.1")
    assert wrong.exit_code == 2
    assert "0.1%" in wrong.output or "percent sign" in wrong.output
