"""The demo: everything is started, nine acts are played, everything is ended, and the proof is shown."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from service import settings
from service.client import Client, Refusal, Unreachable, client_of
from service.demo import place as places
from service.demo import report
from service.demo.acts import ACTS, WINE, WINE_BODY, Outcome
from service.demo.mlflow_server import MlflowServer, NotStarted
from service.demo.models import Models
from service.demo.place import CommandFailed, Place, segue
from service.demo.repository import Repository
from service.demo.screen import Screen
from service.demo.stage import Late, Stage
from service.machine import installation

UP_SECONDS = 180.0  # on a machine that does much beside it
On = TypeVar("On")  # what acts are played on
FORESEEN = (Late, NotStarted, CommandFailed, Refusal, Unreachable, subprocess.TimeoutExpired)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where things are: the examples, a Python with MLflow and scikit-learn, and where the report goes."""

    root: Path
    examples: Path
    mlflow: Path
    report: Path
    keep: bool


def play(wishes: Wishes, console: Console) -> bool:
    """The whole demo; whether everything was as it should be."""
    began = time.monotonic()
    place = Place(wishes.root.absolute())
    places.clear(place)
    place.root.mkdir(parents=True)
    with _up(place, wishes) as (server, up), Screen(console, acts=len(ACTS)) as screen:
        screen.say("starting Segue and an MLflow server")
        client = client_at(place, up)
        server.wait()
        stage = _stage(place, wishes, server, client, screen)
        outcomes = perform(ACTS, stage, screen)
        users = _users(stage)
    wrong = report.complaints(outcomes, users, len(ACTS))
    told = report.as_json(outcomes, users, wrong, time.monotonic() - began)
    wishes.report.write_text(json.dumps(told, indent=2) + "\n")
    show(console, outcomes, users, wrong, wishes.report)
    if wishes.keep:
        _say_what_runs(console, stage)
    return not wrong


# --- up and down -----------------------------------------------------------------------------


@contextmanager
def _up(place: Place, wishes: Wishes) -> Iterator["tuple[MlflowServer, subprocess.Popen[bytes]]"]:
    """Segue and an MLflow server, until the end; both stay where that is wished."""
    server = MlflowServer(wishes.mlflow, place.mlflow, installation.free_port("127.0.0.1"))
    server.begin()
    up = start(place)
    try:
        yield server, up
    except BaseException:  # by Ctrl-C, too, nothing is left running
        _down(place, server, up)
        raise
    if not wishes.keep:
        _down(place, server, up)


def start(place: Place) -> "subprocess.Popen[bytes]":
    """`segue up`, in a session of its own."""
    with place.log.open("wb") as log:
        return subprocess.Popen(
            [places.program(), "up"],
            env=place.environ(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _down(place: Place, server: MlflowServer, up: "subprocess.Popen[bytes]") -> None:
    segue(place, "down", "--all", "--yes", check=False)
    up.wait(UP_SECONDS)
    server.stop()


def _stage(place: Place, wishes: Wishes, server: MlflowServer, client: Client, screen: Screen) -> Stage:
    """Make the repository and connect both sources."""
    repository = Repository(place.bare, place.work)
    repository.make(wishes.examples, "churn")  # which has a demo of its own
    models = Models(wishes.mlflow, place.work, server.url)
    screen.say("segue connect git, segue connect mlflow")
    segue(place, "connect", "git", str(place.bare))
    segue(place, "connect", "mlflow", server.url, "--name", "mlflow")
    approver = segue(place, "token", "ann").strip()
    stage = Stage(place, client, screen, repository=repository, models=models, approver=approver)
    screen.lately = stage.lately
    return stage


def client_at(place: Place, up: "subprocess.Popen[bytes]") -> Client:
    """The API, once Segue is ready. Raises `CommandFailed` with what it printed where it does not come up."""
    chosen = settings.read(place.environ())
    until = time.monotonic() + UP_SECONDS
    while time.monotonic() < until and up.poll() is None:
        if installation.running(chosen.home, "up") is not None:
            return client_of(chosen)
        time.sleep(0.1)
    raise CommandFailed(f"segue up did not come up; it printed:\n{place.log.read_text()}")


# --- playing ---------------------------------------------------------------------------------


def perform(
    acts: Sequence[tuple[str, Callable[[On, Outcome], None]]], stage: On, screen: Screen
) -> list[Outcome]:
    """The acts in their order; one that does not come to its end is the last."""
    outcomes: list[Outcome] = []
    for number, (title, act) in enumerate(acts, 1):
        outcome = Outcome(number, title)
        outcomes.append(outcome)
        screen.act(number, title)
        began = time.monotonic()
        try:
            act(stage, outcome)
        except FORESEEN as error:
            outcome.check("it came to its end", true=False)
            outcome.reason = str(error)
        outcome.seconds = time.monotonic() - began
        screen.ended(number, title, outcome.ended or outcome.reason, ok=outcome.ok)
        if not outcome.ok:
            break
    return outcomes


def _users(stage: Stage) -> list[report.Served]:
    """What users got, held against the record of all releases."""
    for stream in stage.streams.values():
        stream.end()
    releases = [stage.client.release(one["name"]) for one in stage.client.releases()]
    failing = (stage.releases.get(name) for name in ("failing", "abroad"))
    faulty = frozenset(found["release"]["backend"] for found in failing if found)
    return [
        report.served(
            target,
            sorted(stream.answers, key=lambda answer: answer.done),
            [found for found in releases if found["release"]["target"] == target],
            faulty,
        )
        for target, stream in stage.streams.items()
    ]


def show(
    console: Console, outcomes: list[Outcome], users: list[report.Served], wrong: list[str], told: Path
) -> None:
    """What happened, what users got, and what is not as it should be."""
    console.print()
    console.print(report.table(outcomes))
    console.print()
    if users:
        console.print(report.users_table(users))
        console.print()
    for line in wrong:
        console.print(f"[red]wrong[/red]  {escape(line)}")
    end = "[green]all as it should be[/green]" if not wrong else "[red]not as it should be[/red]"
    console.print(f"{end}; the report is in {told}")


def _say_what_runs(console: Console, stage: Stage) -> None:
    """Where to look, and what to type next; the clone is left on main, with the good model in it."""
    place = stage.place
    stage.repository.switch("main")
    stage.repository.restore(stage.commits.get("better", "HEAD"))
    address, body = stage.target(WINE)["address"], json.dumps(WINE_BODY)
    told = [
        "",
        "It runs on. To look at it, open this in a browser (it logs you in once, within ten minutes):",
        f"  {stage.client.login_link()['link']}",
        "Or here:",
        f"  export PATH={Path(places.program()).parent}:$PATH",
        f"  export SEGUE_HOME={place.home} SEGUE_GIT_ROOTS={place.bare.parent}",
        "  segue open",
        "  segue watch",
        "  segue show rel-5",
        "  segue targets",
        f"To release something: cd {place.work}, change a model, and",
        '  git commit -am "My change" && git push origin main',
        "The demo's users are gone, and a canary goes on only by evidence. To be some users yourself:",
        f"  for i in $(seq 3000); do curl -s -o /dev/null -d '{body}' {address}/predict; done",
        f"MLflow is at {stage.models.tracking}. To end it all: segue demo --end --folder {place.root}",
    ]
    for line in told:
        console.print(line, soft_wrap=True)
