"""The demo about labels: an installation is started, four acts are played, everything is ended."""

import json
import subprocess
import time
from pathlib import Path

from rich.console import Console

from service.demo import place as places
from service.demo import play, report
from service.demo.late_acts import ACTS, Late
from service.demo.place import Place, segue
from service.demo.repository import Repository
from service.demo.screen import Screen


def run(root: Path, examples: Path, told: Path, console: Console) -> bool:
    """The whole demo; whether everything was as it should be."""
    began = time.monotonic()
    place = Place(root.absolute(), (("SEGUE_SWEEP_SECONDS", "5"),))
    places.clear(place)
    place.root.mkdir(parents=True)
    up = play.start(place)
    try:
        with Screen(console, acts=len(ACTS)) as screen:
            screen.say("starting Segue")
            stage = _stage(place, examples, up, screen)
            outcomes = play.perform(ACTS, stage, screen)
            failed = _end_customers(stage)
    finally:
        segue(place, "down", "--all", "--yes", check=False)
        up.wait(play.UP_SECONDS)
    wrong = report.complaints(outcomes, [], len(ACTS), least_rate=0.0)
    if failed:
        wrong.append(f"{failed} customers got no answer")
    content = report.as_json(outcomes, [], wrong, time.monotonic() - began)
    told.write_text(json.dumps(content, indent=2) + "\n")
    play.show(console, outcomes, [], wrong, told)
    return not wrong


def _stage(place: Place, examples: Path, up: "subprocess.Popen[bytes]", screen: Screen) -> Late:
    client = play.client_at(place, up)
    repository = Repository(place.bare, place.work)
    repository.make(examples / "churn")
    segue(place, "connect", "git", str(place.bare))
    return Late(place, client, screen, repository=repository)


def _end_customers(stage: Late) -> int:
    """How many were not answered."""
    if stage.customers is None:
        return 0
    stage.customers.end()
    return sum(one.status != 200 for one in stage.customers.told)
