"""The chart's values: one table, one schema, one file of defaults that say the same."""

import json
import re

import pytest
import yaml
from jsonschema import Draft7Validator

from service import processes
from tests.docs.pages import PAGES, ROOT, blocks, cells, name, text

CHART = "charts/segue"
VALUES = yaml.safe_load(text(f"{CHART}/values.yaml"))
SCHEMA = json.loads(text(f"{CHART}/values.schema.json"))
WHOLE = {"resources"}  # below these, what is there is Kubernetes' own


def paths(values, before=""):
    """Every value by its path, with its default."""
    for key, value in values.items():
        if isinstance(value, dict) and value and before.rstrip(".") not in WHOLE:
            yield from paths(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def written(path, default):
    """A default as the table has it."""
    if path.startswith("resources."):
        return "see file"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{json.dumps(default)}`" if default in ("", [], {}) else f"`{default}`"


def test_each_value_is_described_with_its_default_and_no_other():
    told = {row[0].strip("`"): row[1] for row in cells(f"{CHART}/README.md") if row[0].startswith("`")}
    assert told == {path: written(path, default) for path, default in paths(VALUES)}


def test_the_schema_knows_each_value_and_no_other():
    Draft7Validator.check_schema(SCHEMA)
    Draft7Validator(SCHEMA).validate(VALUES)

    def known(schema, before=""):
        for key, below in schema["properties"].items():
            if "properties" in below and before.rstrip(".") not in WHOLE:
                yield from known(below, f"{before}{key}.")
            else:
                yield f"{before}{key}"

    assert set(known(SCHEMA)) - {"global"} == {path for path, _ in paths(VALUES)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"splitt": True},
        {"image": {"digest": "sha256:12"}},
        {"cluster": {"gateway": "web"}},
        {"cluster": {"plane": "haproxy"}},
        {"cluster": {"metrics": "prometheus.monitoring.svc:9090"}},
        {"intakeUrl": "hooks.example"},
        {"targets": [{"deployment": "wine"}]},
        {"targets": [{"namespace": "Team"}]},
        {"replicas": {"observer": "1"}},
        {"user": 0},
        {"persistence": {"size": "10GB"}},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(wrong):
    assert list(Draft7Validator(SCHEMA).iter_errors(wrong))


@pytest.mark.parametrize("url", ["http://t.infra.svc:9100/metrics", "prometheus+https://p.monitoring.svc"])
def test_counters_are_read_where_they_are_or_from_a_prometheus(url):
    Draft7Validator(SCHEMA).validate({"cluster": {"metrics": url}})


def test_the_chart_runs_the_processes_that_there_are_on_their_ports():
    told = re.search(
        r'define "segue.processes" -}}\n(.*?)\{\{', text(f"{CHART}/templates/_helpers.tpl"), re.DOTALL
    )
    ports = yaml.safe_load(told[1])
    assert tuple(ports) == processes.NAMES
    assert [ports[name] for name in processes.PROBED] == [8472, 8473, 8474, 8475]
    assert set(VALUES["replicas"]) == set(processes.NAMES)


def test_the_image_has_the_user_that_the_chart_runs_it_as():
    assert f"USER = {VALUES['user']}\n" in text("charts/image.py")
    assert f"USER {VALUES['user']}:{VALUES['user']}" in text("Dockerfile")


SHOWN = [
    (page, body)
    for page in PAGES
    for words, body in blocks(page.relative_to(ROOT), "yml")
    if "values" in words
]


@pytest.mark.parametrize(("page", "body"), SHOWN, ids=[name(page) for page, _ in SHOWN])
def test_the_values_that_a_page_shows_are_values_of_the_chart(page, body):
    Draft7Validator(SCHEMA).validate(yaml.safe_load(body))


def test_values_are_shown():
    assert SHOWN
