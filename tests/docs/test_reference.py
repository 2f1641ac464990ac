"""Each command, setting, route, field, metric and link is where people look it up, and nothing else is."""

import inspect
import re
from dataclasses import fields

import click
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from policies import asking, forecast
from policies.evidence import Evidence, Finding, Verdict
from policies.forecast import Traffic
from policies.release import Cause, Release, Serving, Target
from policies.spec.declaration import (
    Environment,
    FromBuild,
    Model,
    ServeNone,
    Triggers,
)
from policies.version import Version, VersionPhase
from service import intake, processes, settings, web
from service.bootstrap import Parts
from service.cli.main import PLACES, group
from service.engine.estimating import Estimate
from service.engine.happened import Happened, Message, State
from service.engine.served import Served
from service.intake import create_intake
from service.machine import meters
from service.observing.verdicts import Asked
from service.openapi.operations import OPERATIONS
from service.openapi.shapes import SHAPES
from service.plugins import load
from service.ports.connections import Cluster, Source
from service.settings import Settings
from service.showing import installed, views
from service.store.record import Entry
from tests.docs.pages import PAGES, ROOT, cells, name, section, text
from tests.docs.reference import anchor

TOP = {name: group.get_command(click.Context(group), name) for name in PLACES}
# With those below a command that is a group: `audit verify`.
BELOW = {
    f"{name} {below}": command
    for name, one in TOP.items()
    if isinstance(one, click.Group)
    for below, command in one.commands.items()
}
COMMANDS = TOP | BELOW
CLI, SETTINGS, HTTP = (f"docs/reference/{page}.md" for page in ("cli", "settings", "http"))


# --- the command line ------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_described_with_all_its_options(command):
    page = text(CLI)
    assert f"segue {command}" in page
    heading = f"### {command.partition(' ')[0]}"
    told = section(CLI, heading) if heading in page.splitlines() else section(CLI, "## What people can do")
    for parameter in COMMANDS[command].params:
        for option in parameter.opts:
            assert option in told or parameter.param_type_name == "argument", option


def test_no_option_is_described_that_is_none():
    known = {option for command in COMMANDS.values() for one in command.params for option in one.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text(CLI))) <= known | {"--help"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_each_command_helps_itself(command):
    """The first line says what it does, in one sentence that is not cut."""
    found = COMMANDS[command] if command else group
    first = inspect.cleandoc(found.help or "").splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 70


# --- settings --------------------------------------------------------------------------------


def variables():
    """Every variable of ours that any module names."""
    sources = [path.read_text() for path in (ROOT / "service").rglob("*.py")]
    return {found for source in sources for found in re.findall(r"\bSEGUE_[A-Z_]+[A-Z]\b", source)}


def test_each_variable_is_described_and_no_other():
    described = {row[0].strip("`") for row in cells(SETTINGS) if row[0].startswith("`SEGUE_")}
    assert described == variables()


def test_each_setting_is_described_with_its_default():
    told = {row[0].strip("`"): row[1].strip("`") for row in cells(SETTINGS) if len(row) == 3}
    default = settings.read({"HOME": "~"})
    for field in fields(Settings):
        value = getattr(default, field.name)
        shown = {None: "none", (): "none", False: "no"}.get(value, str(value))
        if field.name != "home":
            assert told[f"SEGUE_{field.name.upper()}"] == shown


# --- HTTP ------------------------------------------------------------------------------------


@pytest.fixture
def apps(tmp_path):
    chosen = Settings(home=tmp_path)
    parts = Parts(chosen, *[None] * 7, open_source=None)
    return {
        "## Intake": create_intake(chosen, None, lambda _: None, lambda _: None),
        "## Web": web.create_web(parts, None),
    }


@pytest.mark.parametrize("heading", ["## Intake", "## Web"])
def test_each_route_is_described_and_no_other(apps, heading):
    served = {
        f"{method} {rule.rule}"
        for rule in apps[heading].url_map.iter_rules()
        if rule.endpoint != "static"  # Flask's own
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert (
        set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) [^`]+)` \|", section(HTTP, heading), re.MULTILINE))
        == served
    )


@pytest.mark.parametrize("heading", ["## Intake", "## Web"])
def test_no_route_needs_less_than_the_page_says(apps, heading):
    client = apps[heading].test_client()
    for row in re.findall(
        r"^\| `(GET|POST|PUT|DELETE) ([^`]+)` \| (.+?) \|", section(HTTP, heading), re.MULTILINE
    ):
        method, route, auth = row
        if auth != "none":
            address = re.sub("<.*?>", "x", route)
            assert client.open(address, method=method, data=b"{}").status_code == 401


@pytest.mark.parametrize("route", OPERATIONS)
def test_each_row_of_the_api_says_what_its_description_says(route):
    """The statuses that any address of its server may answer stand below the table."""
    operation = OPERATIONS[route]
    row = next(line for line in text(HTTP).splitlines() if line.startswith(f"| `{route}` |"))
    own = {*operation.answers, *operation.refused} - {200, 403}
    assert own <= {int(found) for found in re.findall(r"\b[24]\d\d\b", row)}
    asked = set(operation.query)
    assert set(re.findall(r"\?(\w+)=", row)) <= asked <= set(re.findall(r"[?`](\w+)[=`]", row))


def test_each_status_that_the_intake_answers_is_described():
    answered = set(
        re.findall(r"(?:Refusal\(|status_code = |Response\(.*status=)(\d{3})", inspect.getsource(intake))
    )
    told = section(HTTP, "## Intake")
    assert all(status in told for status in answered)


SERVING = Serving("rel-1", 1, "v", "i", "b", "u", 0.0)
MODEL = Model("wine", "", FromBuild("a", None), ServeNone(), None, Triggers(), ())
EVIDENCE = Evidence(Verdict.HARM, (Finding("errors", Verdict.HARM, "", (), None, 0, ""),), 1, 1, 1, 1, 1)
RELEASE = Release("rel-1", 1, "wine", "wine/production", Environment(), "v", "b", Cause("push", None))
SHOWN = {
    "### release": views.release(RELEASE),
    "### evidence": views.evidence(EVIDENCE) | views.evidence(EVIDENCE)["findings"][0],
    "### estimate": views.estimate(
        Estimate(forecast.of_policy(Environment(), Traffic(1.0)), Traffic(1.0), "needs")
    ),
    "### verdict": views.verdict(Asked(None, asking.answer(None, at=0.0), None)),
    "### version": views.version(Version("k", MODEL, None, None, VersionPhase.READY, "")),
    "### target": views.target(Target("wine/production", stable=SERVING), None)
    | views.target(Target("wine/production", stable=SERVING), None)["stable"],
    "### event": views.event(Happened("1", 0.0, "git", "delivery", "", State.STORED)),
    "### message": views.message(Message({}, "", "", 0, None)),
    "### source": installed.source(installed.connected(Source("git", "bare", ""), {})),
    "### cluster": installed.cluster(Cluster("prod")),
    "### served": views.served(Served(RELEASE, None), 0.0),
    "### entry": views.entry(Entry(0.0, "rel-1", "ann", "began", {})),
}


@pytest.mark.parametrize("heading", SHOWN)
def test_each_field_that_is_shown_is_described(heading):
    """On the page and in the API's document."""
    parts = {"### evidence": ("evidence", "finding"), "### target": ("target", "serving")}
    shapes = [SHAPES[name] for name in parts.get(heading, (heading.removeprefix("### "),))]
    assert set(SHOWN[heading]) == {field for shape in shapes for field in shape["properties"]}
    assert set(SHOWN[heading]) <= set(re.findall(r"`([a-z_]+)`", section(HTTP, heading)))


# --- metrics ---------------------------------------------------------------------------------


def test_each_metric_is_described_and_no_other(monkeypatch, apps):
    made = []
    register = CollectorRegistry.register
    monkeypatch.setattr(
        CollectorRegistry, "register", lambda self, one: (made.append(one), register(self, one))
    )
    apps = [
        create_intake(Settings(home=ROOT), None, None, None),
        web.create_web(Parts(Settings(home=ROOT), *[None] * 7, None), None),
    ]
    made += [one for one in vars(meters).values() if isinstance(one, MetricWrapperBase)]
    served = set()
    for one in made:
        for family in one.collect():
            served.add(family.name + ("_total" if family.type == "counter" else ""))
    described = {
        row[0].strip("`") for row in cells("docs/reference/metrics.md") if row[0].startswith("`segue_")
    }
    assert apps
    assert described == served


# --- processes, sources, links ---------------------------------------------------------------


def test_the_procfile_names_the_processes_that_segue_up_starts():
    lines = dict(line.split(": ", 1) for line in text("Procfile").splitlines() if line and line[0] != "#")
    assert lines == {process: f"python -m service.processes {process}" for process in processes.NAMES}


def test_each_process_is_described():
    rows = {row[0].strip("`") for row in cells("docs/how-it-works.md")}
    assert set(processes.NAMES) <= rows


@pytest.mark.parametrize("kind", ["bare", "mlflow", "hook"])
def test_each_signature_is_described_with_its_window(kind):
    minutes = load("event_sources", kind).WINDOW / 60
    row = next(row for row in cells(HTTP) if row[0].startswith(f"`{kind}`"))
    assert row[3] == f"{minutes:g} minutes"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_link_leads_somewhere(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, link
