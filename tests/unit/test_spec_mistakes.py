"""Every mistake is told at once, with its place, what was found, and what to write instead."""

from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from policies.spec.node import from_plain
from policies.spec.parse import parse
from service.segue_yaml import check

BUILD = "name: wine\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py}\n"
WATCHED = "name: wine\nimage: ghcr.io/acme/wine:v*\nmode: observe\n"
TAKEN_OVER = "name: wine\nimage: ghcr.io/acme/wine:v*\ndeployment: ml/wine\n"


def mistakes(text, folder=""):
    return [
        f"{m.line}:{m.column} {m.path}: {m.message}" for m in check(dedent(text).encode(), folder).mistakes
    ]


def test_all_mistakes_of_a_file_come_at_once():
    text = """\
        name: Wine_Model
        build: {lock: /requirements.lock}
        serve: {run: "python serve.py | tee log", prot: 8080}
        evaluate:
          run: python evaluate.py
          resources: {memory: 4GB}
          gates: {accuracy: "=> 0.9"}
        dwell: 90
        sticky: cokie
        gaurds: {errors: off}
        risk: 0.01
        """
    assert mistakes(text) == snapshot(
        [
            "1:7 name: `name: Wine_Model` is not a name of small letters, digits and hyphens; it wants a name of small letters, digits and hyphens",
            "2:15 build.lock: `lock: /requirements.lock` begins with `/`; write it relative to this file's folder; it wants a file, relative to the model's folder; did you mean `requirements.lock`?",
            "3:14 serve.run: `run: python serve.py | tee log` uses a pipe, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally; it wants a command, as one text or as a list",
            "3:43 serve: `prot` is not a key of `serve`; did you mean `port`?",
            "6:23 evaluate.resources.memory: `memory: 4GB` has an unknown unit `GB`; it wants memory with its unit: 512Mi, 4Gi; did you mean `4Gi`?",
            "7:21 evaluate.gates.accuracy: `accuracy: => 0.9` compares with `=>`, which is not one of `>=`, `>`, `<=`, `<`; it wants a limit such as `>= 0.9` or `<= 12%`, or `no worse than stable by 0.01` (more is better), or `no higher than stable by 0.01` (less is better); did you mean `>= 0.9`?",
            "8:8 dwell: `dwell: 90` has no unit; it wants a time with its unit: 500ms, 30s, 10m, 24h, 14d; did you mean `90s`?",
            "9:9 sticky: `sticky: cokie` is not one of the allowed words; it wants `none`, `cookie` or `header`; did you mean `cookie`?",
            "10:1 (file): `gaurds` is not a key of a model; did you mean `guards`?",
            "11:7 risk: `risk: 0.01` has no percent sign, so it could mean two things; it wants a share above 0%; did you mean `0.01%`?",
        ]
    )


ONE_MISTAKE = {
    "nothing": "",
    "a list": "- a\n",
    "no version": "name: wine\nserve: none\n",
    "two versions": BUILD + "image: ghcr.io/acme/wine:1\n",
    "no serving": "name: wine\nmodel: models:/wine@challenger\n",
    "two ways to serve": BUILD + "inferenceservice: a/b\n",
    "a version instead of an alias": "name: wine\nmodel: models:/wine/3\nserve: mlflow\n",
    "a digest": "name: wine\nimage: ghcr.io/acme/wine@sha256:abc\nserve: {port: 80}\n",
    "no tag": "name: wine\nimage: ghcr.io/acme/wine\nserve: {port: 80}\n",
    "the scoring server without a model": "name: wine\nbuild: {lock: a.txt}\nserve: mlflow\n",
    "no command": "name: wine\nbuild: {lock: a.txt}\nserve: {port: 80}\n",
    "nothing to build from": "name: wine\nbuild: {}\nserve: {run: python serve.py}\n",
    "two ways to build": "name: wine\nbuild: {lock: a, dockerfile: b}\nserve: {run: python serve.py}\n",
    "a path out of the folder": "name: wine\nbuild: {lock: ../a.txt}\nserve: {run: python serve.py}\n",
    "a route without a deployment": BUILD + "route: ml/wine\n",
    "a kind of route that is misspelt": TAKEN_OVER + "route: virtualservices/ml/wine\n",
    "a kind that needs no word": TAKEN_OVER + "route: HTTPRoute/ml/wine\n",
    "a kind of route that is not known": TAKEN_OVER + "route: mapping/ml/wine\n",
    "a route without a namespace": TAKEN_OVER + "route: ingress/wine/\n",
    "when_full without kserve": BUILD + "when_full: wait\n",
    "triggers of a build for a model": (
        "name: wine\nmodel: models:/wine@challenger\nserve: mlflow\non: {branches: main}\n"
    ),
    "restore without a model": BUILD + "restore: true\n",
    "not true or false": "name: wine\nmodel: models:/wine@champion\nserve: mlflow\nrestore: yes\n",
    "traffic rules of a batch model": (
        "name: wine\nmodel: models:/wine@challenger\nserve: none\nsteps: [5%]\n"
    ),
    "a weight without its sign": BUILD + "steps: [5, 50%]\n",
    "a step without anything": BUILD + "steps: [~, 50%]\n",
    "an evaluation without anything": BUILD + "evaluate:\n",
    "weights that fall": BUILD + "steps: [50%, {weight: 5%}]\n",
    "a step without its weight": BUILD + "steps: [{hold: 10m}]\n",
    "a hold that is no time": BUILD + "steps: [{weight: 5%, hold: promot}]\n",
    "a ladder that ends early": BUILD + "ladder: [1%, 50%]\n",
    "steps and a ladder": BUILD + "steps: [5%]\nladder: [1%, 100%]\n",
    "steps of a switch": BUILD + "strategy: bluegreen\nsteps: [5%]\n",
    "a shadow of no use": BUILD + "shadow: {for: 1h}\n",
    "answers without copies": BUILD + "guards: {answers: {differ: 1%}}\n",
    "answers without a limit": BUILD + "strategy: shadow\nguards: {answers: {}}\n",
    "flips of no class": BUILD + "strategy: shadow\nshadow: {keep: off}\nguards: {answers: {flips: 9%}}\n",
    "labels of no answer": BUILD
    + "strategy: shadow\nshadow: {keep: off}\nguards: {right: {labels: a.b, drop: 1%}}\n",
    "a query by request": BUILD + "guards: {lost: {query: a, of: b, drop: 1%, by: request}}\n",
    "no absolute guard": BUILD + "guards: {slo: off}\n",
    "no absolute guard in one place": BUILD + "environments: {production: {guards: {slo: off}}}\n",
    "a guard of no kind": BUILD + "guards: {error: {worse_by: 10%}}\n",
    "a threshold of a counter": BUILD + "guards: {plain: {threshold: 5%, of: a_total}}\n",
    "a threshold by segments": BUILD + "guards: {plain: {threshold: 5%, segments: country}}\n",
    "a threshold of nearly all": BUILD + "guards: {plain: {threshold: 99%}}\n",
    "a threshold as the only limit": BUILD + "guards: {slo: off, plain: {threshold: 5%}}\n",
    "a guard of two kinds": BUILD + "guards: {quality: {query: a, labels: b.c, drop: 1%}}\n",
    "a query without a limit": BUILD + "guards: {quality: {query: a}}\n",
    "a query of no counter": BUILD + "guards: {quality: {query: 'rate(lost_total[5m])', worse_by: 5%}}\n",
    "a query without its total": BUILD + "guards: {quality: {query: lost_total, worse_by: 5%}}\n",
    "a query that is its own total": BUILD + "guards: {quality: {query: a_total, of: a_total, drop: 5%}}\n",
    "a total smaller than its part": BUILD
    + "guards: {quality: {query: a_total, of: 'a_total{code=~\"5..\"}', drop: 5%}}\n",
    "a query of a range": BUILD + "guards: {quality: {query: 'a_total[5m]', of: b_total, drop: 5%}}\n",
    "a query of sums": BUILD + "guards: {quality: {query: 'sum by (x) (a_total)', of: b_total, drop: 5%}}\n",
    "a query of any name": BUILD
    + "guards: {quality: {query: '{__name__=~\"a.*\"}', of: b_total, drop: 5%}}\n",
    "a query with a hard pattern": BUILD
    + "guards: {quality: {query: 'a_total{x=~\"(a+)+b\"}', of: b_total, drop: 5%}}\n",
    "a query with broken labels": BUILD + "guards: {quality: {query: 'a_total{x}', of: b_total, drop: 5%}}\n",
    "a total that counts no things": BUILD + "guards: {quality: {query: a_total, of: b_sum, drop: 5%}}\n",
    "a drift of no histogram": BUILD + "guards: {quality: {query: a_total, drift: show}}\n",
    "a histogram with a total": BUILD + "guards: {quality: {query: a_bucket, of: a_count, worse_by: 5%}}\n",
    "a histogram with a limit": BUILD + "guards: {quality: {query: a_bucket, slo: '<= 5%'}}\n",
    "a limit of more than half": BUILD + "guards: {quality: {query: a_total, of: b_total, slo: '<= 500'}}\n",
    "a limit of no share": BUILD + "guards: {quality: {query: a_total, of: b_total, slo: '>= 5%'}}\n",
    "a source of labels": BUILD + "guards: {quality: {labels: b.c, within: 1d, drop: 1%, from: prom}}\n",
    "segments by nothing": BUILD + "guards: {errors: {segments: {most: 3}}}\n",
    "segments of nothing": BUILD + "guards: {errors: {segments: }}\n",
    "segments by the version": BUILD
    + "guards: {quality: {query: a_total, of: b_total, drop: 1%, segments: version}}\n",
    "segments of a limit": BUILD
    + "guards: {quality: {query: a_total, of: b_total, slo: '<= 1%', segments: country}}\n",
    "a drift of what is switched": BUILD
    + "strategy: bluegreen\nguards: {quality: {query: a_bucket, drift: show}}\n",
    "labels that may come for ever": BUILD + "guards: {quality: {labels: b.c, drop: 1%}}\n",
    "a comparison of what is switched": BUILD + "strategy: bluegreen\nguards: {latency: {}}\n",
    "a budget too large": BUILD + "false_rollbacks: 25%\n",
    "a segment twice": BUILD + "guards: {errors: {segments: [country, country]}}\n",
    "a latency guard without its bound": BUILD + "guards: {latency: {slo: 1%}}\n",
    "a latency guard without a share": BUILD + "guards: {latency: {slower_than: 200ms, slo: 500ms}}\n",
    "an unknown environment": BUILD + "environments: {production: {after: stagin}, staging: {}}\n",
    "environments in a circle": BUILD + "environments: {a: {after: b}, b: {after: a}}\n",
    "more approvals than people": BUILD + "approvals: {count: 2, from: [ann, ann]}\n",
    "no name": BUILD.replace("name: wine\n", ""),
    "a merge key": "<<: {a: b}\n" + BUILD,
    "a key in the wrong place": BUILD + "gates: {accuracy: '>= 0.9'}\n",
    "an empty value": BUILD + "dwell:\n",
    "watching what Segue would start": BUILD + "mode: observe\n",
    "shifting what is somebody else's": (
        "name: wine\nimage: ghcr.io/acme/wine:v*\nservices: {stable: ml/wine, candidate: ml/wine-canary}\n"
    ),
    "one Service of two": WATCHED + "services: {stable: ml/wine}\n",
    "one Service twice": WATCHED + "services: {stable: ml/wine, candidate: ml/wine}\n",
    "Services of two namespaces": WATCHED + "services: {stable: ml/wine, candidate: b/wine}\n",
    "a registered model behind Services": (
        "name: wine\nmodel: models:/wine@challenger\nmode: observe\n"
        "services: {stable: ml/wine, candidate: ml/wine-canary}\n"
    ),
    "how traffic moves that is somebody else's": (
        WATCHED + "services: {stable: ml/wine, candidate: ml/wine-canary}\nsteps: [5%]\n"
    ),
    "a switch that is somebody else's": (
        WATCHED + "services: {stable: ml/wine, candidate: ml/wine-canary}\nstrategy: bluegreen\n"
    ),
    "defaults of one model": BUILD + "defaults: {dwell: 1m}\n",
    "keys beside models": "models: {a: {model: models:/a@b, serve: mlflow}}\ndwell: 1m\n",
    "no models": "models: {}\n",
    "a name that is written twice": "models: {a: {name: b, model: models:/a@b, serve: mlflow}}\n",
    "another substitution": "name: wine\nimage: 'a/{tag}:1'\nserve: {port: 80}\n",
    "a newer format": "segue: 2\n" + BUILD,
    "a gate that says nothing": BUILD + "evaluate: {run: python e.py, gates: {f1: 0.9}}\n",
    "a gate that is not a number": BUILD + "evaluate: {run: python e.py, gates: {f1: '>= .nan'}}\n",
    "a gate against something else": BUILD + "evaluate: {run: python e.py, gates: {f1: no worse than v3}}\n",
}


def test_each_mistake_is_told_once_and_in_words():
    """One file for each mistake; the answers are kept here, so that a change of words is seen."""
    told = {name: mistakes(text) for name, text in ONE_MISTAKE.items()}
    assert told == snapshot(
        {
            "nothing": [
                "1:1 (file): a segue.yaml is a mapping with at least where versions come from and how they serve"
            ],
            "a list": [
                "1:1 (file): a segue.yaml is a mapping with at least where versions come from and how they serve"
            ],
            "no version": [
                "1:1 (file): says nowhere where its versions come from: write exactly one of `model`, `image` or `build`"
            ],
            "two versions": [
                "2:8 build: `build` and `image` both say where its versions come from: keep exactly one of `model`, `image` or `build`"
            ],
            "no serving": [
                "1:1 (file): says nowhere how it serves: write exactly one of `serve`, `deployment`, `inferenceservice` or `services`"
            ],
            "two ways to serve": [
                "4:19 inferenceservice: `inferenceservice` and `serve` both say how it serves: keep exactly one of `serve`, `deployment`, `inferenceservice` or `services`"
            ],
            "a version instead of an alias": [
                "2:8 model: `model: models:/wine/3` names no alias; moving an alias is what starts a release; it wants a registered model's alias: models:/churn@challenger; did you mean `models:/wine@challenger`?"
            ],
            "a digest": [
                "2:8 image: `image: ghcr.io/acme/wine@sha256:abc` pins a digest; name a tag or a tag pattern, Segue finds the digest and deploys by it; it wants an image and a tag pattern: ghcr.io/acme/fraud:main-*"
            ],
            "no tag": [
                "2:8 image: `image: ghcr.io/acme/wine` names no tag; it wants an image and a tag pattern: ghcr.io/acme/fraud:main-*; did you mean `ghcr.io/acme/wine:main-*`?"
            ],
            "the scoring server without a model": [
                "3:8 serve: `serve: mlflow` serves a registered model, so it needs `model`"
            ],
            "no command": ["3:8 serve: `serve` needs `run`, the command that serves"],
            "nothing to build from": [
                "2:8 build: says nowhere what it is built from: write exactly one of `lock` or `dockerfile`"
            ],
            "two ways to build": [
                "2:30 build.dockerfile: `dockerfile` and `lock` both say what it is built from: keep exactly one of `lock` or `dockerfile`"
            ],
            "a path out of the folder": [
                "2:15 build.lock: `lock: ../a.txt` leaves the folder with `..`; it wants a file, relative to the model's folder"
            ],
            "a route without a deployment": [
                "4:8 route: `route` means something only with `deployment` or `services`"
            ],
            "a kind of route that is misspelt": [
                "4:8 route: `route: virtualservices/ml/wine` begins with no kind of route that is known; it wants a namespace and a name, such as ml/fraud; for another kind than an HTTPRoute or GRPCRoute `virtualservice`, `traefikservice` or `ingress` and `/` before it; did you mean `virtualservice/ml/wine`?"
            ],
            "a kind that needs no word": [
                "4:8 route: `route: HTTPRoute/ml/wine` begins with no kind of route that is known; it wants a namespace and a name, such as ml/fraud; for another kind than an HTTPRoute or GRPCRoute `virtualservice`, `traefikservice` or `ingress` and `/` before it; did you mean `ml/wine`?"
            ],
            "a kind of route that is not known": [
                "4:8 route: `route: mapping/ml/wine` begins with no kind of route that is known; it wants a namespace and a name, such as ml/fraud; for another kind than an HTTPRoute or GRPCRoute `virtualservice`, `traefikservice` or `ingress` and `/` before it"
            ],
            "a route without a namespace": [
                "4:8 route: `route: ingress/wine/` is no name of a route; it wants a namespace and a name, such as ml/fraud; for another kind than an HTTPRoute or GRPCRoute `virtualservice`, `traefikservice` or `ingress` and `/` before it"
            ],
            "when_full without kserve": [
                "4:12 when_full: `when_full` means something only with `inferenceservice`"
            ],
            "triggers of a build for a model": [
                "4:16 on.branches: `on.branches` goes with `build`; with `model` a release starts when its alias moves"
            ],
            "restore without a model": ["4:10 restore: `restore` means something only with `model`"],
            "not true or false": [
                "4:10 restore: `restore: yes` is neither true nor false; it wants `true` or `false`; did you mean `true`?"
            ],
            "traffic rules of a batch model": [
                "4:8 steps: `steps` is about traffic, and `serve: none` has none"
            ],
            "a weight without its sign": [
                "4:9 steps[0]: `steps[0]: 5` has no percent sign, so it could mean two things; it wants a weight with its percent sign, such as 5%; did you mean `5%`?"
            ],
            "a step without anything": ["4:9 steps[0]: a step needs `weight`"],
            "an evaluation without anything": [
                "4:10 evaluate: `evaluate` needs `run`, the command that measures"
            ],
            "weights that fall": ["4:8 steps: `steps` must grow: 5% comes after 50%"],
            "a step without its weight": ["4:9 steps[0]: a step needs `weight`"],
            "a hold that is no time": [
                "4:28 steps[0].hold: `hold: promot` is not a time; it wants `promote`, or a time with its unit: 500ms, 30s, 10m, 24h, 14d; did you mean `promote`?"
            ],
            "a ladder that ends early": ["4:9 ladder: `ladder` must end at 100%, or the release never ends"],
            "steps and a ladder": ["5:9 ladder: `ladder` is for the ramp; `steps` replace it, keep one"],
            "steps of a switch": [
                "5:8 steps: `steps` means something only with `strategy: canary` or `shadow`, not `bluegreen`"
            ],
            "a shadow of no use": [
                "4:9 shadow: `shadow` means something only with `strategy: shadow`, not `canary`"
            ],
            "answers without copies": [
                "4:19 guards.answers: the guard `answers` compares answers to copies: it needs `strategy: shadow`, not `canary`"
            ],
            "answers without a limit": [
                "5:19 guards.answers: says nowhere what is too bad: write `differ`, `flips`, or both"
            ],
            "flips of no class": [
                "6:27 guards.answers.flips: `flips` counts by class, and `shadow.keep: off` keeps none: write `keep: hashed`"
            ],
            "labels of no answer": [
                "6:17 guards.right: the guard `right` compares labels with both versions' answers, and `shadow.keep: off` keeps none: write `keep: hashed`"
            ],
            "a query by request": ["4:48 guards.lost.by: `by` means something only with `labels`"],
            "no absolute guard": [
                "4:15 guards.slo: once all traffic is on one version there is nothing to compare with: keep an absolute limit (`slo: history`, or `slo: 1%`), or keep some traffic on stable (`held_back: 5%`)"
            ],
            "no absolute guard in one place": [
                "4:43 environments.production.guards.slo: once all traffic is on one version there is nothing to compare with: keep an absolute limit (`slo: history`, or `slo: 1%`), or keep some traffic on stable (`held_back: 5%`)"
            ],
            "a guard of no kind": [
                "4:17 guards.error: the guard `error` needs exactly one of `query`, `labels` or `threshold`; did you mean `errors`?"
            ],
            "a threshold of a counter": ["4:37 guards.plain.of: `of` means something only with `query`"],
            "a threshold by segments": [
                "4:43 guards.plain.segments: `segments` means something only with `query` or `labels`"
            ],
            "a threshold of nearly all": [
                "4:29 guards.plain.threshold: `threshold: 99%` is not between 0% and 50%; it wants a share up to 50%"
            ],
            "a threshold as the only limit": [
                "4:15 guards.slo: once all traffic is on one version there is nothing to compare with: keep an absolute limit (`slo: history`, or `slo: 1%`), or keep some traffic on stable (`held_back: 5%`)"
            ],
            "a guard of two kinds": [
                "4:19 guards.quality: the guard `quality` needs exactly one of `query`, `labels` or `threshold`"
            ],
            "a query without a limit": [
                "4:19 guards.quality: says nowhere what is too bad: write exactly one of `slo`, `worse_by`, `drop` or `drift`"
            ],
            "a query of no counter": [
                '4:27 guards.quality.query: `query: rate(lost_total[5m])` computes with `rate(…)`, and Segue takes differences and sums itself; write the counter alone; it wants a counter of a metric source, such as lost_total{model="churn"}; did you mean `lost_total`?'
            ],
            "a query without its total": [
                "4:19 guards.quality: the guard `quality` has no total: write `of`, the counter of all things of which `lost_total` counts the bad ones"
            ],
            "a query that is its own total": [
                "4:40 guards.quality.of: `of` is the same counter as `query`: all of `a_total` would be bad; write the total's"
            ],
            "a total smaller than its part": [
                '4:40 guards.quality.of: `of` counts only a part of what `query` counts, and no total is smaller than that: write `query: a_total{code=~"5.."}` and `of: a_total`, if it is the other way round'
            ],
            "a query of a range": [
                '4:27 guards.quality.query: `query: a_total[5m]` asks for a range, and Segue chooses that itself; write the counter alone; it wants a counter of a metric source, such as lost_total{model="churn"}'
            ],
            "a query of sums": [
                '4:27 guards.quality.query: `query: sum by (x) (a_total)` computes with `sum(…)`, and Segue takes differences and sums itself; write the counter alone; it wants a counter of a metric source, such as lost_total{model="churn"}; did you mean `a_total`?'
            ],
            "a query of any name": [
                '4:27 guards.quality.query: `query: {__name__=~"a.*"}` is not the name of a counter with its labels; it wants a counter of a metric source, such as lost_total{model="churn"}'
            ],
            "a query with a hard pattern": [
                '4:27 guards.quality.query: `query: a_total{x=~"(a+)+b"}` has the pattern `(a+)+b`; letters, digits, `.`, `|` and at most 2 of `.*` and `.+` are read; it wants a counter of a metric source, such as lost_total{model="churn"}'
            ],
            "a query with broken labels": [
                '4:27 guards.quality.query: `query: a_total{x}` has labels that cannot be read; write them as {label="value"}; it wants a counter of a metric source, such as lost_total{model="churn"}'
            ],
            "a total that counts no things": [
                "4:40 guards.quality.of: `b_sum` counts no things: a guard wants a counter that only grows by one for each; did you mean `b_count`?"
            ],
            "a drift of no histogram": [
                "4:27 guards.quality.query: `drift` compares the buckets of a histogram, and `a_total` counts in none: write `query: a_total_bucket`"
            ],
            "a histogram with a total": [
                "4:41 guards.quality.of: `of` is not needed for a histogram, which counts all things itself: leave it out"
            ],
            "a histogram with a limit": [
                "4:42 guards.quality.slo: `slo` is for counters: for a histogram write `worse_by: 10%` (longer durations), `drift: show`, or with `query` the counter of what is too slow"
            ],
            "a limit of more than half": [
                "4:54 guards.quality.slo: `slo` limits the share `query` of `of`: write `<=` and a share above 0% up to 50% of bad things, or `>=` and one from 50% to below 100% of good ones"
            ],
            "a limit of no share": [
                "4:54 guards.quality.slo: `slo` limits the share `query` of `of`: write `<=` and a share above 0% up to 50% of bad things, or `>=` and one from 50% to below 100% of good ones"
            ],
            "a source of labels": ["4:61 guards.quality.from: `from` means something only with `query`"],
            "segments by nothing": [
                "4:29 guards.errors.segments: `segments` needs `by`, the label whose values are judged by themselves"
            ],
            "segments of nothing": [
                "4:28 guards.errors.segments: `segments` needs `by`, the label whose values are judged by themselves"
            ],
            "segments by the version": [
                "4:69 guards.quality.segments: `segments` names `version`, the label of the version: it has one value for each version"
            ],
            "segments of a limit": [
                "4:73 guards.quality.segments: `segments` compares with stable: write it with `worse_by` or `drop`"
            ],
            "a drift of what is switched": [
                "5:19 guards.quality: the guard `quality` compares with stable, and with `strategy: bluegreen` all traffic is on one version: write `quality: off` and an absolute limit (`slo: 1%`), or `held_back: 5%`"
            ],
            "labels that may come for ever": [
                "4:19 guards.quality: the guard `quality` needs `within`, how late a label may come and still count"
            ],
            "a comparison of what is switched": [
                "5:19 guards.latency: the guard `latency` compares with stable, and with `strategy: bluegreen` all traffic is on one version: write `latency: off` and an absolute limit (`slo: 1%`), or `held_back: 5%`"
            ],
            "a budget too large": [
                "4:18 false_rollbacks: `false_rollbacks: 25%` is not above 0% and up to 20%; it wants a share above 0% up to 20%"
            ],
            "a segment twice": ["4:29 guards.errors.segments: `segments` names `country` twice"],
            "a latency guard without its bound": [
                "4:25 guards.latency.slo: `slo` means something only with `slower_than`"
            ],
            "a latency guard without a share": [
                "4:45 guards.latency.slo: `slo: 500ms` is not a share; it wants `history`, or a share above 0% up to 50%"
            ],
            "an unknown environment": [
                "4:36 environments.production.after: `after: stagin` is not an environment of this model; known: `production` or `staging`"
            ],
            "environments in a circle": [
                "4:27 environments.a.after: `after: b` comes back to `a`, so neither could begin",
                "4:42 environments.b.after: `after: a` comes back to `b`, so neither could begin",
            ],
            "more approvals than people": [
                "4:12 approvals: `approvals` wants 2 people, but `from` names only 1"
            ],
            "no name": [
                "1:1 (file): `name` is needed: a file in the repository's root has no folder to be named after"
            ],
            "a merge key": [
                "1:1 (file): `<<` is not a key of a model; merge keys are not read, what models share goes into `defaults:`"
            ],
            "a key in the wrong place": [
                "4:1 (file): `gates` is not a key of a model; did you mean `steps`?"
            ],
            "an empty value": [
                "4:7 dwell: `dwell` has no value; it wants a time with its unit: 500ms, 30s, 10m, 24h, 14d"
            ],
            "watching what Segue would start": [
                "4:7 mode: `mode: observe` watches what somebody else shifts: name it by `services: {stable: ml/fraud-stable, candidate: ml/fraud-canary}`, in the place of what Segue would start"
            ],
            "shifting what is somebody else's": [
                "3:11 services: traffic between `services` is shifted by somebody else: write `mode: observe`; for Segue to shift it, name a `deployment` and its `route` in their place"
            ],
            "one Service of two": [
                "4:11 services: `services` needs `candidate`: a Service that exists, such as ml/fraud-candidate"
            ],
            "one Service twice": [
                "4:11 services: `stable` and `candidate` are one Service, and nothing tells its versions apart"
            ],
            "Services of two namespaces": [
                "4:11 services: `stable` and `candidate` must be Services of one namespace"
            ],
            "a registered model behind Services": [
                "2:8 model: versions behind `services` are told apart by their image: write `image` or `build`"
            ],
            "how traffic moves that is somebody else's": [
                "5:8 steps: `steps` says how Segue moves traffic, and with `mode: observe` it moves none"
            ],
            "a switch that is somebody else's": [
                "5:11 strategy: with `mode: observe` the candidate is compared while both serve: leave `strategy` out"
            ],
            "defaults of one model": [
                "4:11 defaults: `defaults` goes with `models`; this file declares one model"
            ],
            "keys beside models": [
                "2:1 (file): `dwell` stands beside `models`: put it under `defaults:`, or under one model"
            ],
            "no models": ["1:9 models: `models` names no model; write each as a key, such as `churn: {}`"],
            "a name that is written twice": [
                "1:20 models.a.name: `name` is not written under `models`: the key is the name"
            ],
            "another substitution": [
                "2:8 image: `image: a/{tag}:1` is not an image's name with a tag or a tag pattern; the only substitution is `{name}`; it wants an image and a tag pattern: ghcr.io/acme/fraud:main-*"
            ],
            "a newer format": ["1:8 segue: `segue: 2` is not one of the allowed words; it wants `1`"],
            "a gate that says nothing": [
                "4:42 evaluate.gates.f1: `f1: 0.9` is not a comparison; it wants a limit such as `>= 0.9` or `<= 12%`, or `no worse than stable by 0.01` (more is better), or `no higher than stable by 0.01` (less is better); did you mean `>= 0.9`?"
            ],
            "a gate that is not a number": [
                "4:42 evaluate.gates.f1: `f1: >= .nan` is not a number; it wants a limit such as `>= 0.9` or `<= 12%`, or `no worse than stable by 0.01` (more is better), or `no higher than stable by 0.01` (less is better)"
            ],
            "a gate against something else": [
                "4:42 evaluate.gates.f1: `f1: no worse than v3` is not a comparison with stable; it wants a limit such as `>= 0.9` or `<= 12%`, or `no worse than stable by 0.01` (more is better), or `no higher than stable by 0.01` (less is better); did you mean `no worse than stable by 0.01`?"
            ],
        }
    )
    twice = {name for name, lines in told.items() if len(lines) != 1}
    assert twice == {"environments in a circle"}  # each of the two is told where it is written


COMMANDS = {
    "pipe": "cat a | grep b",
    "and": "make && make test",
    "background": "python a.py &",
    "two commands": "cd x; python a.py",
    "redirect": "python a.py > log",
    "variable": "python a.py --port $PORT",
    "variable in quotes": 'python a.py "${PORT}"',
    "substitution": "python `which a`",
    "pattern": "python *.py",
    "home": "~/bin/serve",
    "assignment": "PORT=80 python a.py",
    "open quote": "python 'a.py",
    "backslash": "python \\",
}


def test_what_only_a_shell_can_do_is_refused_with_the_reason():
    told = {}
    for name, command in COMMANDS.items():
        root = from_plain({"name": "a", "build": {"lock": "l"}, "serve": {"run": command}})
        (mistake,) = parse(root, "").mistakes
        told[name] = mistake.message.partition("; it wants")[0]
    assert told == snapshot(
        {
            "pipe": "`run: cat a | grep b` uses a pipe, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "and": "`run: make && make test` uses `&`, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "background": "`run: python a.py &` uses `&`, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "two commands": "`run: cd x; python a.py` uses `;`, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "redirect": "`run: python a.py > log` uses a redirection, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "variable": "`run: python a.py --port $PORT` uses a variable (`$`), but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "variable in quotes": "`run: python a.py \"${PORT}\"` uses `$`, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally; the only substitution is `{name}`",
            "substitution": "`run: python `which a`` uses a command substitution, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "pattern": "`run: python *.py` uses a file pattern (`*`), but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "home": "`run: ~/bin/serve` uses `~`, but no shell runs it; put it in a script, or quote it with '…' if it is meant literally",
            "assignment": "`run: PORT=80 python a.py` sets a variable (`PORT=80`), but no shell runs it; name the program first",
            "open quote": "`run: python 'a.py` has an open quote (')",
            "backslash": "`run: python \\` ends in a backslash",
        }
    )


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("python serve.py --port 80", ("python", "serve.py", "--port", "80")),
        ("python -c 'print(1 | 2)'", ("python", "-c", "print(1 | 2)")),
        ('python "a b.py" x\\ y', ("python", "a b.py", "x y")),
        ('python "a\\"b" --x=1 a=b', ("python", 'a"b', "--x=1", "a=b")),
        ("python a''b ''", ("python", "ab", "")),
        (["python", "a | b", "$PORT"], ("python", "a | b", "$PORT")),
    ],
)
def test_a_command_becomes_an_argument_list(text, arguments):
    root = from_plain({"name": "a", "build": {"lock": "l"}, "serve": {"run": text}})
    (model,) = parse(root, "").models
    assert model.serve.run == arguments


def test_a_mistake_in_defaults_is_told_once_for_all_models():
    text = """\
        defaults:
          model: models:/{name}@challenger
          serve: mlflow
          dwel: 1m
          steps: [{hold: 1m}]
        models: {a: {}, b: {}, c: {}}
        """
    assert mistakes(text) == snapshot(
        [
            "4:3 defaults: `dwel` is not a key of a model; did you mean `dwell`?",
            "5:11 defaults.steps[0]: a step needs `weight`",
        ]
    )


def test_a_model_replaces_what_it_inherits_and_merges_its_environments():
    text = """\
        defaults:
          image: ghcr.io/acme/{name}:main-*
          deployment: ml/{name}
          route: ml/{name}
          dwell: 2m
          guards: {errors: {worse_by: 10%}, latency: {slower_than: 500ms}}
          environments: {staging: {dwell: 1m}, production: {after: staging}}
        models:
          a:
            model: models:/a@challenger
            serve: mlflow
            guards: {latency: off}
            environments: {production: {dwell: 3m}}
          b: {folder: libs/b}
        """
    a, b = check(dedent(text).encode(), "x").models
    assert (a.folder, b.folder) == ("x/a", "x/libs/b")
    assert [e.dwell for e in a.environments] == [60.0, 180.0]
    assert [e.after for e in a.environments] == [None, "staging"]
    assert [e.dwell for e in b.environments] == [60.0, 120.0]
    assert [g.name for g in a.environments[0].guards] == ["errors", "slo", "alive", "share"]
    assert a.environments[0].guards[0].worse_by == 0.1
    assert [g.name for g in b.environments[0].guards] == ["errors", "slo", "latency", "alive", "share"]


def test_an_absolute_limit_or_a_held_back_share_makes_up_for_the_guard_that_is_off():
    for extra in (
        "guards: {slo: off, latency: {slower_than: 500ms}}",
        "guards: {slo: off, p99: {query: slow_total, of: all_total, slo: '<= 0.5'}}",
        "guards: {slo: off}\nheld_back: 5%",
        "guards: {slo: 1%}",
        "strategy: bluegreen",
    ):
        assert mistakes(BUILD + extra) == []


def test_the_folder_names_a_model_that_names_itself_nowhere():
    (model,) = check(BUILD.replace("name: wine\n", "").encode(), "models/wine").models
    assert (model.name, model.folder) == ("wine", "models/wine")


def test_the_key_on_is_a_word_even_for_readers_that_take_it_for_a_truth_value():
    plain = {"name": "a", "build": {"lock": "l"}, "serve": {"run": "x"}, True: {"tags": "v*"}}
    (model,) = parse(from_plain(plain), "").models
    assert model.triggers.tags == ("v*",)
    assert not model.triggers.default_branch


KEYS = st.sampled_from(
    [
        "name",
        "model",
        "image",
        "build",
        "serve",
        "deployment",
        "route",
        "evaluate",
        "on",
        "environments",
        "guards",
        "steps",
        "models",
        "defaults",
        "approvals",
        "errors",
        "slo",
        "latency",
        "query",
        "labels",
        "drop",
        "run",
        "gates",
        "lock",
        "dwell",
        "after",
        "production",
        "staging",
        "{name}",
    ]
)
TEXTS = st.sampled_from(
    [
        "1%",
        "5m",
        "off",
        "none",
        "{name}",
        "models:/a@b",
        "a/b:c",
        "ml/a",
        "history",
        "python",
        "100%",
        "staging",
        "'>=",
        "1'",
        "1e999",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TEXTS
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=6),
    max_leaves=30,
)


@given(st.dictionaries(KEYS, TREES, max_size=8))
@example({"models": {"a": {"steps": [{}]}, "b": None}, "defaults": {"steps": [{}]}})
def test_any_mapping_gives_models_or_mistakes_with_places(tree):
    parsed = parse(from_plain(tree), "folder")
    assert bool(parsed.models) != bool(parsed.mistakes)
    for mistake in parsed.mistakes:
        assert mistake.path
        assert mistake.message
        assert mistake.message.isprintable()
