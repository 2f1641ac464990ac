"""Segue beside Argo Rollouts and Flagger: what a bad version costs under each, on one cluster and Traefik.

Run from the repository's root: `python -m bench.peers [--json] [--rounds 3] [--only segue,argo,flagger]
[--rule fast|shown] [--good]`, with SEGUE_TEST_KUBECONFIG naming a cluster of this machine, whose pods it
reaches. The first run builds both controllers from their modules, which takes many minutes. Version 3 of
a small application answers 5 % of its requests with 500, at random, under 100 requests a second.

`fast`: both peers look every 10 s (the least that Flagger takes), over 10 s, and end a rollout at the second
failed look. `shown`: as their own documentation shows it, with Argo's pauses shortened. `--good` rolls out a
version without errors instead. `--scrape 15`: Segue reads the counters as seldom as that.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.peers import building, contestants, objects
from bench.peers.contestants import Stage
from bench.peers.plane import NAMESPACE, plane
from bench.peers.trial import Outcome, run
from service.adapters.kubernetes.api import Api
from service.ports.connections import Cluster
from tests.cluster import audit, logins
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.local import around
from tests.cluster.registries import registry_of

MOST_FAILED, MOST_CPU = 6, 0.5  # our own limits: answers of the bad version, CPU seconds
MOST_BEHIND = 1.0  # seconds; where the load itself was later, the machine was too busy to say anything
_RULES = {"fast": (objects.FAST, objects.FAST), "shown": (objects.ARGO_SHOWN, objects.FLAGGER_SHOWN)}
_HEADINGS = (
    *("failed", "others", "pod ready", "share", "first", "first bad", "to zero", "CPU s", "CPU after"),
    *("CPU rest", "calls", "at rest", "MiB", "load late"),
)


def main() -> int:
    """Play all rounds, one after the other; one table."""
    given = _arguments()
    kubeconfig = os.environ.get("SEGUE_TEST_KUBECONFIG")
    if not kubeconfig:
        raise SystemExit(
            "SEGUE_TEST_KUBECONFIG names no cluster; start one: python -m tests.cluster.local up"
        )
    kubectl = Kubectl(Path(kubeconfig))
    registry = Images(around.home().parent, registry_of(kubectl))
    images = {each: registry.program("peers-app", building.application(each), "app") for each in "0123"}
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="segue-peers-") as folder, plane(kubectl, Path(folder)) as shared:
        login = logins.kubeconfig(kubectl, NAMESPACE, Path(folder, "login.conf"))
        for number in range(given.rounds):
            for who in given.only.split(","):
                space = Path(folder, f"{who}-{number}")
                space.mkdir(mode=0o755)
                stage = Stage(kubectl, shared, space, registry, images, login, given.scrape)
                outcomes.append(_play(stage, who, given.rule, "2" if given.good else "3"))
                print(f"  {_line(outcomes[-1])}", file=sys.stderr, flush=True)
    _print(outcomes, given)
    return int(not given.good and any(map(_over, outcomes)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="segue,argo,flagger")
    parser.add_argument("--rule", choices=sorted(_RULES), default="fast")
    parser.add_argument("--scrape", type=float, default=1.0)
    parser.add_argument("--good", action="store_true")
    return parser.parse_args()


def _play(stage: Stage, who: str, rule: str, version: str) -> Outcome:
    of_argo, of_flagger = _RULES[rule]
    trials = {
        "argo": (contestants.argo, of_argo),
        "flagger": (contestants.flagger, of_flagger),
        "segue": (contestants.segue, of_flagger),
    }
    begin, chosen = trials[who]
    api = Api.of(Cluster("peers", str(stage.kubectl.kubeconfig)))
    with begin(stage, chosen, version) as trial:
        log = audit.log_of(stage.kubectl.kubeconfig)
        return run(api, stage.plane.url, log, trial, version)


def _over(outcome: Outcome) -> bool:
    """Whether Segue did worse than it promises."""
    worse = outcome.by_version > MOST_FAILED or outcome.others > 0 or outcome.cpu > MOST_CPU
    return outcome.who == "Segue" and (worse or outcome.behind > MOST_BEHIND)


def _print(outcomes: Sequence[Outcome], given: argparse.Namespace) -> None:
    if given.json:
        print(json.dumps({"rule": given.rule, "rounds": [asdict(one) for one in outcomes]}, indent=2))
        return
    print("A version with 5 % errors, 100 requests a second; medians of the rounds, or each one's number")
    print(f"{'':<16}{'':<14}" + "".join(f"{heading:>11}" for heading in _HEADINGS))
    for who in dict.fromkeys(one.who for one in outcomes):
        print(_row([one for one in outcomes if one.who == who]))
    print("  failed: answers of the bad version that are no 200; others: failures that are not its own")
    print(
        "  pod ready: seconds the cluster itself takes; share, first: from the trigger to the version's first"
        " weight and to its first answer"
    )
    print("  first bad: seconds from the trigger to its first error; to zero: from that to weight 0")
    print(
        "  CPU s: all its processes' from trigger to weight 0; CPU after: until 20 s past the end;"
        " rest: in a minute before"
    )
    print("  calls: of the API server, from the trigger to the end; at rest: in a minute before it")
    print(
        f"  load late: seconds that requests were sent after their time; over {MOST_BEHIND:g} nothing counts"
    )
    print(f"  Segue's limits: {MOST_FAILED} failed, 0 others, {MOST_CPU} CPU s")
    print(f"  load average {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


def _row(outcomes: Sequence[Outcome]) -> str:
    counts = [
        ", ".join(str(one.by_version) for one in outcomes),
        ", ".join(str(one.others) for one in outcomes),
    ]
    times = [
        _median([one.cluster_ready for one in outcomes]),
        _median([one.trigger_to_share for one in outcomes]),
        _median([one.trigger_to_first for one in outcomes]),
        _median([one.trigger_to_bad for one in outcomes]),
        _median([one.bad_to_zero for one in outcomes]),
        _median([one.cpu for one in outcomes], 2),
        _median([one.cpu_after for one in outcomes], 2),
        _median([one.cpu_at_rest for one in outcomes], 2),
        _median([one.calls for one in outcomes], 0),
        _median([one.calls_at_rest for one in outcomes], 0),
        _median([one.memory for one in outcomes], 0),
        f"{max(one.behind for one in outcomes):.2f}",
    ]
    how = ", ".join(sorted({one.how for one in outcomes}))
    return f"{outcomes[0].who:<16}{how:<14}" + "".join(f"{cell:>11}" for cell in counts + times)


def _median(values: Sequence[float | None], digits: int = 1) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.{digits}f}" if known else "-"


def _line(one: Outcome) -> str:
    told = f"{one.who}: {one.how} {one.trigger_to_end:.0f} s after the trigger, {one.by_version} failed"
    path = " ".join(f"{weight:g}@{at:.1f}" for at, weight in one.weights)
    return (
        f"{told} and {one.others} others of {one.requests}; load late by {one.behind:.2f} s; weights {path};"
        f" {one.calls} calls; CPU s {one.processes}"
    )


if __name__ == "__main__":
    sys.exit(main())
