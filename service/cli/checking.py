"""`init` and `check`: the file that people write, before anything runs. Neither needs a server."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from policies import forecast
from policies.forecast import Forecast, Traffic
from policies.guards import coarse
from policies.guards.coarse import Usual
from policies.spec.amounts import DURATION
from policies.spec.declaration import Mode, Model
from policies.spec.schema import schema
from service import clusters, mistakes_shown, segue_yaml
from service.calendars import files as calendar_files
from service.cli import blind
from service.cli.amounts import Amount
from service.cli.context import EXIT_FAILED, as_json, chosen, console, print_json
from service.identity import tokens
from service.ports.clusters import Existing
from service.ports.connections import Cluster
from service.rehearsing import simulated_shown

BUILD = """\
name: {name}
build: {{lock: requirements.lock}}    # wheels only, pinned by hash
serve: {{run: python serve.py, port: 8080}}
evaluate: {{run: python evaluate.py, gates: {{accuracy: ">= 0.9"}}}}
false_rollbacks: 1%
"""
REGISTERED = """\
name: {name}
model: models:/{name}@challenger     # moving this alias starts a release
serve: mlflow
approvals: {{count: 1, from: [{person}]}}
false_rollbacks: 1%
"""


EXISTING = """\
name: {name}
image: {image}    # the newest tag that fits, deployed by its digest
deployment: {deployment}    # its pod template is copied whole; only the image changes
{traffic}
"""
_ROUTE = "route: {route}    # only the weights of the rule that names its Service are touched"
_SWITCH = "strategy: bluegreen    # no route names its Service: the Service is switched at once"


@click.command()
@click.option(
    "--from", "existing", metavar="NS/NAME", help="For a Deployment that serves already, in Kubernetes."
)
@click.option("--context", help="The kubeconfig's context for --from. Default: its current one.")
@click.option("--registered", is_flag=True, help="For a model in MLflow, without code of its own.")
@click.option(
    "--approver",
    metavar="NAME",
    default=tokens.OPERATOR,
    show_default=True,
    help="Who approves a registered model's releases: the name of a token.",
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def init(folder: Path, approver: str, existing: str | None, context: str | None, *, registered: bool) -> None:
    """Write a segue.yaml of five lines.

    FOLDER is where the model's code lies; without it, this folder. With --from, the cluster of your
    kubeconfig is asked for the Deployment, its Service, route and autoscaler; nothing is changed there.
    """
    path = folder / segue_yaml.NAME
    if path.exists():
        raise click.ClickException(f"{path} exists already; look at it with: segue check {path}")
    folder.mkdir(parents=True, exist_ok=True)
    name = _model_name(folder.resolve().name)
    found = _look(existing, context) if existing is not None else None
    text = _declared(found) if found else (REGISTERED if registered else BUILD)
    path.write_text(text if found else text.format(name=name, person=approver))
    for line in _notes(found) if found else ():
        console().print(line)
    console().print(f"wrote {path}; next: segue check {path}")


def _look(existing: str, context: str | None) -> Existing:
    namespace, slash, name = existing.partition("/")
    if not (namespace and slash and name):
        raise click.ClickException(f"--from is {existing!r}; write a namespace and a name: --from ml/fraud")
    path = clusters.kubeconfig(None, os.environ)
    return clusters.view(Cluster("here", kubeconfig=path, context=context)).existing(namespace, name)


def _declared(found: Existing) -> str:
    name = _model_name(found.deployment.partition("/")[2])
    traffic = _ROUTE.format(route=found.routes[0]) if found.routes else _SWITCH
    return EXISTING.format(
        name=name, image=_pattern(found.image), deployment=found.deployment, traffic=traffic
    )


def _model_name(text: str) -> str:
    """The nearest name that a model may have."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-") or "model"


def _pattern(image: str) -> str:
    """A pattern for the image's tag and those to come: of `main-42` it is `main-*`, of `v1.2` it is `v*`."""
    repository, colon, tag = image.partition("@")[0].rpartition(":")
    if not colon or "/" in tag:
        return f"{image.partition('@')[0]}:*"
    beginning = re.match(r"v?(?=[0-9])|[^-_.]+[-_.]", tag)
    return f"{repository}:{beginning[0]}*" if beginning else f"{repository}:{tag}"


def _notes(found: Existing) -> Iterator[str]:
    """What a person should know before the first release."""
    yield f"found {found.deployment} with image {found.image}"
    if found.beside:
        yield f"that is of its container {found.container}; beside it: {', '.join(found.beside)}."
        yield "If another one holds the model, write that one's image"
    if found.services:
        yield f"its Services: {', '.join(found.services)}"
    if len(found.routes) > 1:
        yield f"several routes name them; the first is written, choose another: {', '.join(found.routes)}"
    if found.autoscaler:
        yield f"its autoscaler {found.autoscaler} is copied for each version, and given back"
    if found.manager:
        yield f"{found.manager} keeps it as it is written elsewhere: see docs/how-to/gitops.md"
    if found.mend:
        yield "before the first release, let those who keep it leave these fields alone:"
        yield found.mend


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--schema", "wants_schema", is_flag=True, help="Print the JSON Schema for editors; check nothing."
)
@click.option(
    "--rate",
    type=click.FloatRange(1e-6, 1e6),
    help="Requests per second that come in all: tell how long each rollout needs.",
)
@click.option(
    "--median", type=Amount(DURATION), help="How long half of the requests take at most: tell what hides."
)
@click.option("--tail", "p99", type=Amount(DURATION), help="The same of 99 in 100. With --median.")
@as_json
def check(
    files: tuple[Path, ...],
    rate: float | None,
    median: float | None,
    p99: float | None,
    *,
    wants_schema: bool,
    wants_json: bool,
) -> None:
    """Find all mistakes in segue.yaml files.

    Each is told with its line and what to write instead. FILES are files, or folders that hold a
    segue.yaml; without any, all below this folder are checked. Exit code 1 if there is a mistake. Needs
    no server. With --rate it is also told how long a good version needs at that rate, planned by its
    requests; with --median, which latency guard could not see that such requests take longer, as this
    machine's router counts durations.
    """
    if p99 is not None and (median is None or p99 <= median):
        raise click.BadParameter("--tail must be longer than --median, and needs it")
    usual = None if median is None else Usual(median, p99)
    if wants_schema:
        click.echo(json.dumps(schema(), indent=2))
        return
    capabilities = segue_yaml.capabilities(chosen())
    found = files or _below_here()
    if not found:
        raise click.ClickException("there is no segue.yaml here; write one with: segue init")
    wrong = 0
    shown = []
    for path in found:
        data = _read(path / segue_yaml.NAME if path.is_dir() else path)
        checked = _with_calendars(segue_yaml.check(data, _folder(path), capabilities), data, path)
        wrong += len(checked.mistakes)
        if wants_json:
            shown.append(_listed(checked, path, rate, usual))
        elif checked.mistakes:
            click.echo(mistakes_shown.as_text(checked.mistakes, data, str(path)))
        else:
            click.echo(f"{path}: fine ({', '.join(model.name for model in checked.models)})")
            for target, _, words in _forecasts(checked.models, rate):
                click.echo(f"  {target}: {words}")
            for target, hidden in blind.declared(checked.models, usual):
                click.echo(f"  {target}: {coarse.words(hidden)}")
    if wants_json:
        print_json(shown)
    if wrong:
        raise click.exceptions.Exit(EXIT_FAILED)


def _with_calendars(checked: segue_yaml.Checked, data: bytes, path: Path) -> segue_yaml.Checked:
    """The calendars that its freezes name are read where they lie, too."""
    place = path if path.is_dir() else path.parent

    def read(name: str) -> bytes | None:
        file = place / name
        return file.read_bytes() if file.is_file() else None

    found = calendar_files.find(data, checked.models, "here", "", read=read, now=time.time())
    return segue_yaml.Checked(() if found.mistakes else checked.models, (*checked.mistakes, *found.mistakes))


def _listed(
    checked: segue_yaml.Checked, path: Path, rate: float | None, usual: Usual | None
) -> dict[str, Any]:
    mistakes = mistakes_shown.as_json(checked.mistakes, str(path))
    told = {"file": str(path), "models": [m.name for m in checked.models], "mistakes": mistakes}
    if rate is not None:
        told["needs"] = [
            {"target": target, "seconds": found.seconds, "requests": found.requests, "text": words}
            for target, found, words in _forecasts(checked.models, rate)
        ]
    if usual is not None:
        told["coarse"] = [
            {"target": target, **simulated_shown.blind(hidden)}
            for target, hidden in blind.declared(checked.models, usual)
        ]
    return told


def _forecasts(models: tuple[Model, ...], rate: float | None) -> Iterator[tuple[str, Forecast, str]]:
    """How long each target's canary needs at that rate."""
    for model in models if rate is not None else ():
        for environment in model.environments:
            traffic = Traffic(rate or 0.0)
            found = forecast.of_policy(environment, traffic)
            if found is not None and environment.mode is Mode.ACT:
                name = f"{model.name}/{environment.name}"
                yield name, found, forecast.words(found, traffic, environment)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from error


def _below_here() -> tuple[Path, ...]:
    """All files below this folder. Folders that cannot be listed are passed by: `/proc` has some."""
    names = ((folder, files) for folder, _, files in os.walk("."))
    return tuple(sorted(Path(folder, segue_yaml.NAME) for folder, files in names if segue_yaml.NAME in files))


def _folder(path: Path) -> str:
    """A model's default name is its folder's; a file in the repository's root has none."""
    place = path if path.is_dir() else path.parent
    return place.resolve().name


COMMANDS = (init, check)
