"""The JSON Schema that editors get says what the parser says, as far as shapes, keys and texts go."""

import json
import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from policies.spec.keys import KEYS
from policies.spec.node import from_plain
from policies.spec.parse import parse
from policies.spec.schema import schema
from service.cli.main import group

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs/reference/segue.schema.json"
VALIDATOR = Draft7Validator(schema())
FILES = sorted([*ROOT.glob("tests/unit/spec_cases/*.yaml"), *ROOT.glob("examples/**/segue.yaml")])
FULL = """
name: wine
segue: "1"
image: ghcr.io/acme/{name}:main-*
serve: {run: [python, serve.py, 1.5], port: "8080", health: /ready}
resources: {cpu: 0.5, memory: 512Mi, nvidia.com/gpu: 1}
replicas: {min: 1, max: 4, cpu: 70%, per_copy: {requests: 10}, external: {queue: {each: 3, labels: {a: b}}}}
pod:
  node_selector: {acme.com/disk: ssd, spot: true}
  tolerations: [nvidia.com/gpu, dedicated=ml:NoSchedule]
  priority_class: serving
  service_account: models
  pull_secrets: [registry]
  secrets: keys
  volumes: {weights: /models, scratch: {path: /scratch, write: true}}
evaluate:
  pod: {queue: gpus, tolerations: spot}
  run: python evaluate.py
  image: ghcr.io/acme/eval:3
  results: mlflow.churn-evaluation
  resources: {cpu: "2", memory: 4 Gi, time: 10m, amd.com/gpu: 2}
  gates: {accuracy: ">= 0.9", mape: "<= 12%"}
on: {schedule: 0 3 * * 1}
strategy: canary
steps: [5%, {weight: 50%, hold: promote}, {weight: 80 %, hold: 5m}]
sticky: header
dwell: 60s
watch: 5m
warm_up: 2m
held_back: 5%
risk: 0.1%
false_rollbacks: 2%
patience: 1h
when_undecided: ask
when_newer: serialize
when_drifted: repair
freeze: [Fri 16:00 - Mon 08:00 Europe/Berlin, "22:00 - 06:00", ops/holidays.ics Europe/Berlin]
budget: {query: 'left{service="wine"}', from: prom, least: 10%}
tell: ["slack:#ml-all", "mattermost:#ml"]
mode: act
approvals: {count: 1, from: [ann, "@acme/leads"], in: "slack:#ml", expires: 1d}
guards:
  errors: {worse_by: 10%, segments: country}
  slo: 1%
  latency: {slower_than: 100ms, slo: history, worse_by: 5%, segments: [country, device]}
  alive: {no_data_for: 30s, restarts: 0}
  share: off
  value: {query: good_total, of: all_total, slo: ">= 98%"}
  lost: {query: 'kept_total{a="b"}', of: all_total, drop: 1%, from: prom, version: app}
  grown: {query: bad_total, of: all_total, worse_by: 1%, segments: {by: [country, tier], most: 5, least: 2%, risk: 1%}}
  right: {labels: warehouse.labels, within: 14d, drop: 1%}
  scores: {query: model_score_bucket, drift: show}
  plain: {threshold: 5%}
environments:
  staging:
  production: {cluster: prod, after: staging, guards: {slo: off, share: }}
"""
BUILD = "name: a\nbuild: {lock: a.txt}\nserve: {run: a}\n"
OTHERS = (
    BUILD
    + "strategy: shadow\nshadow: {for: 1h, answer: predictions.0, score: a.b-c, keep: hashed, sample: 1%, requests: april, rate: 20}\n"
    + "guards: {answers: {differ: 2%, flips: 10%}, right: {labels: a.b, by: request, drop: 1%}}\n",
    BUILD + "guards: {answers: off}\n",
    BUILD + "guards: {errors: {calls: grpc, from: prom, version: service}, slo: 1%}\n",
    BUILD + "on: {branches: main, tags: [v*, 1.0], gto: prod, paths: 'src/**'}\nladder: [1%, 100%]\n",
    BUILD + "guards: {share: {tolerance: 10%}, alive: off}\n",
    "name: a\nbuild: {dockerfile: Dockerfile}\nserve: {run: a}\nstrategy: bluegreen\n",
    "name: true\nmodel: models:/{name}@champion\nserve: mlflow\nrestore: true\n",
    "name: a\nmodel: models:/a@b\nserve: mlflow\nweights: {claim: models, folder: 'a/{version}'}\n",
    "name: a\nmodel: models:/a@b\nserve: mlflow\nweights: {bucket: 's3://models/a/{version}', secret: s}\n",
    BUILD + "weights: {bucket: 's3://models/a/7', sums: " + "a" * 64 + "}\n",
    BUILD
    + "weights: {image: 'a/b@sha256:"
    + "0" * 64
    + "', path: /m}\nreplicas: {max: 2, external: {q: {total: 1}}}\n",
    "name: a\nimage: 'a/b:1'\nmode: observe\nservices: {stable: ml/a, candidate: ml/b}\nroute: ml/a\n",
    "name: 42\nmodel: models:/a@b\ninferenceservice: a/{name}\nwhen_full: replace\n",
    "defaults: {image: 'a/{name}:1', deployment: 'ml/{name}', route: 'ml/{name}', guards: {slo: 1%}}\nmodels: {a: , b: {guards: }, c: {folder: x}}\n",
)


class Editor(yaml.SafeLoader):
    """Reads as editors do, by YAML 1.2: only `true` and `false` are truth values, `on` and `off` are words."""


Editor.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in rules if tag != "tag:yaml.org,2002:bool"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Editor.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(true|false)$"), list("tf"))


def read(text):
    return yaml.load(text, Editor)  # noqa: S506  a safe loader with fewer words


ACCEPTED = [read(text) for text in (*(path.read_text() for path in FILES), FULL, *OTHERS)]


def parses(value):
    return not parse(from_plain(value), "folder").mistakes


def test_the_committed_copy_is_what_the_command_prints():
    assert CliRunner().invoke(group, ["check", "--schema"]).output == COMMITTED.read_text()


def test_it_is_a_json_schema_and_each_key_is_described_in_it():
    Draft7Validator.check_schema(schema())
    text = json.dumps(schema())
    for key in KEYS:
        assert json.dumps(key.doc)[1:-1] in text


@pytest.mark.parametrize("value", ACCEPTED, ids=lambda value: str(value)[:30])
def test_what_the_parser_takes_validates(value):
    assert parses(value)
    assert [error.message for error in VALIDATOR.iter_errors(value)] == []


def test_the_accepted_files_use_every_key():
    written = set()

    def collect(value):
        if isinstance(value, dict):
            written.update(value)
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                collect(item)

    collect(ACCEPTED)
    assert {key.name for key in KEYS} <= written


MISSHAPEN = {
    "not a mapping": "- a\n",
    "an unknown key": BUILD + "gaurds: {}\n",
    "an unknown key further in": BUILD + "approvals: {quorum: 2}\n",
    "a list for a mapping": BUILD + "guards: [errors]\n",
    "a text for a mapping": BUILD + "evaluate: python evaluate.py\n",
    "a mapping for a text": BUILD + "dwell: {seconds: 5}\n",
    "an empty list": BUILD + "steps: []\n",
    "a key without a value": BUILD + "strategy:\n",
    "an unknown word": BUILD + "strategy: canray\n",
    "a time without a unit": BUILD + "dwell: 90\n",
    "a share without its sign": BUILD + "risk: 0.01\n",
    "a port that is none": "name: a\nbuild: {lock: a.txt}\nserve: {run: a, port: 70000}\n",
    "a name that is none": "name: A_B\nbuild: {lock: a.txt}\nserve: {run: a}\n",
    "a guard's name that is none": BUILD + "guards: {Mine: off}\n",
    "two places where versions come from": BUILD + "image: a/b:1\n",
    "no place where versions come from": "name: a\nserve: {run: a}\n",
    "two ways to serve": BUILD + "inferenceservice: a/b\n",
    "a folder for one model": BUILD + "folder: a\n",
    "a name below models": "models: {a: {name: b, image: 'a/b:1', serve: {port: 80}}}\n",
    "a key beside models": "models: {a: {image: 'a/b:1', serve: {port: 80}}}\nstrategy: canary\n",
}


@pytest.mark.parametrize("text", MISSHAPEN.values(), ids=MISSHAPEN.keys())
def test_a_shape_that_is_wrong_is_refused_by_both(text):
    value = read(text)
    assert not parses(value)
    assert not VALIDATOR.is_valid(value)


def places(value, path=()):
    """Every place of a tree, the tree itself first."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


WORDS = sorted(
    {key.name for key in KEYS} | {"off", "none", "production", "a/b", "v1", "5%", "10m", "4Gi", ">= 1"}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 9000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
    st.text(max_size=6),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def changed(draw):
    """An accepted file after a few changes at any places: some are still accepted, most are not."""
    value = deepcopy(draw(st.sampled_from(ACCEPTED)))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([path for path in places(value) if path]))
        inside = value
        for key in above:
            inside = inside[key]
        match draw(st.sampled_from(["replace", "add", "remove"])):
            case "remove" if len(inside) > 1:
                del inside[last]
            case "add" if isinstance(inside, dict):
                inside[draw(st.sampled_from(WORDS))] = draw(VALUES)
            case _:
                inside[last] = draw(VALUES)
    return value


@given(changed())
def test_what_the_schema_refuses_the_parser_refuses_too(value):
    if parses(value):
        assert [error.message for error in VALIDATOR.iter_errors(value)] == []
