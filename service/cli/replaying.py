"""`replay`: a policy over recorded history, before it is trusted. Changes nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from policies.guards.increment import Gap
from policies.guards.readings import Versions
from policies.guards.trail import Recorded
from policies.spec import selector
from policies.spec.declaration import Environment
from policies.spec.selector import Selector
from policies.spec.wrong import Wrong
from service import segue_yaml, sources
from service.cli.amounts import moment
from service.cli.context import api, as_json, chosen, console, print_json
from service.cli.reporting import drawn_by, output
from service.ports.outcomes import PortError
from service.rehearsing import histories, intervals_csv, replays
from service.reporting import data, panels, words
from service.store import recorded
from service.store.states import ENVIRONMENT


def _selector(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Selector | None:
    """A counter, as a guard's `query` names it."""
    try:
        return None if value is None else selector.read(value)
    except Wrong as wrong:
        raise click.BadParameter(f"{value} {wrong}") from wrong


@click.command()
@click.argument("release", required=False)
@click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Recorded intervals in a file instead of a release's own.")  # fmt: skip
@click.option("--from", "source", metavar="SOURCE",
              help="A connected Prometheus, by its name, whose history is read instead.")  # fmt: skip
@click.option(
    "--bad", callback=_selector, metavar="COUNTER", help="With --from: the counter of failed requests."
)
@click.option(
    "--of", "every", callback=_selector, metavar="COUNTER", help="With --from: that of all requests."
)
@click.option("--buckets", callback=_selector, metavar="COUNTER",
              help="With --from: the histogram's of durations, if there is one.")  # fmt: skip
@click.option("--version", "label", default="version", show_default=True, metavar="LABEL",
              help="With --from: the counters' label that names the version.")  # fmt: skip
@click.option("--candidate", metavar="VALUE", help="With --from: what it says of the candidate.")
@click.option("--stable", metavar="VALUE", help="With --from: what it says of stable.")
@click.option("--since", callback=moment, default="24h", show_default=True, metavar="TIME",
              help="With --from: the beginning, as 24h (ago) or 2026-01-31T14:00:00Z.")  # fmt: skip
@click.option(
    "--until", callback=moment, default="0s", metavar="TIME", help="With --from: the end. Default: now."
)
@click.option("--step", type=click.IntRange(1, 3600), default=15, show_default=True, metavar="SECONDS",
              help="With --from: the length of an interval; not less than it scrapes.")  # fmt: skip
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The segue.yaml to try. Default: the policy that the release had.")  # fmt: skip
@click.option("--model", metavar="NAME", help="Which model of the file, where it declares several.")
@click.option("--environment", metavar="NAME", help="Which of its environments, where there are several.")
@click.option("--splits", type=click.IntRange(0, 10_000), default=0, show_default=True,
              help="How often stable's own requests are dealt in two, to see false rollbacks.")  # fmt: skip
@click.option("--share", type=click.FloatRange(1, 50), default=10.0, show_default=True, metavar="PERCENT",
              help="The share of the pretended candidate in such a split.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same splits.")
@output
@as_json
def replay(
    *, release: str | None, table: Path | None, source: str | None, policy: Path | None, model: str | None,
    environment: str | None, splits: int, share: float, seed: int, output: Path | None, wants_json: bool,
    **asked: Any,
) -> None:  # fmt: skip
    """Try a policy on recorded history.

    RELEASE is a name such as rel-7: its stored increments are judged again, by its own policy or by that of
    --policy. With --csv: those of a file. With --from: what a connected Prometheus remembers of two versions,
    and of the counters that the policy's own guards query there. Told is what the policy would have done,
    and when; with --splits also how often it would have taken a version back that is the same as stable.

    \b
      segue replay rel-7 --policy segue.yaml
      segue replay --csv intervals.csv --policy segue.yaml --splits 200
      segue replay --from prom --policy segue.yaml --of 'requests_total{model="churn"}'
        --bad 'requests_total{model="churn",code=~"5.."}' --candidate churn-8 --stable churn-7 -o churn.png
    """
    if [release, table, source].count(None) != 2:
        raise click.UsageError(
            "name a release, such as rel-7, or a file: --csv FILE --policy segue.yaml, or a source: --from"
        )
    if release is None and policy is None:
        raise click.UsageError(
            "such a history has no policy of its own; say which to try: --policy segue.yaml"
        )
    tried = None if policy is None else _chosen(policy, model, environment)
    if source is not None and tried is not None:
        history, used = _remembered(source, tried, asked), tried
    else:
        history, used = _recorded(release, table)
    used = tried or used
    found: dict[str, Any] = {"replay": replays.outcome(used, history), "splits": None}
    if splits:
        found["splits"] = replays.wrong_rollbacks(used, history, splits=splits, share=share / 100, seed=seed)
    if output is not None:
        output.write_bytes(_drawn(output, used, history, found["replay"]))
        if not wants_json:
            console().print(f"wrote {output}")
    if wants_json:
        print_json(found)
        return
    for line in _told(found):
        console().print(line)


def _recorded(release: str | None, table: Path | None) -> tuple[Recorded, Environment]:
    """What is judged, and the policy that it had; a file had none, so its caller brings one."""
    if table is not None:
        try:
            return intervals_csv.read(_bytes(table).decode()), Environment()
        except (intervals_csv.BadFile, UnicodeDecodeError) as wrong:
            raise click.ClickException(f"{table.name}: {wrong}") from wrong
    found = api().increments(release or "")
    history = recorded.read(found["recorded"])
    if not history.seen:
        raise click.ClickException(f"of {release} no interval is stored: none yet, or no longer kept")
    return history, ENVIRONMENT.load(found["environment"])


def _remembered(name: str, environment: Environment, asked: dict[str, Any]) -> Recorded:
    """What a connected Prometheus tells of that time. It is asked from here, with its own login."""
    needed = {"--bad": "bad", "--of": "every", "--candidate": "candidate", "--stable": "stable"}
    missing = [option for option, key in needed.items() if asked[key] is None]
    if missing:
        raise click.UsageError(f"--from needs {', '.join(missing)}, too")
    versions = Versions(asked["label"], frozenset({asked["candidate"]}), frozenset({asked["stable"]}))
    wanted = histories.Wanted(
        asked["bad"],
        asked["every"],
        asked["buckets"],
        versions,
        asked["since"],
        asked["until"],
        float(asked["step"]),
    )
    chosen_here = chosen()
    known = {one.name: one for one in sources.load(chosen_here.home)}
    if name not in known:
        raise click.ClickException(f"there is no source {name!r}; connect it: segue connect prometheus URL")
    try:
        source = sources.opened(chosen_here, known[name])
        if not hasattr(source, "history"):
            raise click.ClickException(f"{name} is of kind {known[name].kind}, which remembers nothing")
        found = histories.recorded(source, wanted, environment)
    except (PortError, ValueError) as reason:
        raise click.ClickException(str(reason)) from reason
    if all(isinstance(what, Gap) for what, _ in found.seen):
        raise click.ClickException(f"nothing can be told of that time: {found.seen[-1][0]}")
    return found


def _drawn(output: Path, environment: Environment, history: Recorded, found: dict[str, Any]) -> bytes:
    """The picture of what the policy would have seen."""
    if output.suffix.lower() == ".html":
        raise click.UsageError("a replay is drawn as .png or .svg")
    if found["harm"] is not None:  # afterwards the candidate would have had no traffic
        until = found["harm"]["at"]
        history = replace(history, seen=tuple(one for one in history.seen if one[0].at <= until))
    told = data.numbers(environment, history)
    told |= {"release": {"phase": "", "ended": told["ended"]}}
    if told["weights"]:
        told["weights"].append([told["ended"], told["weights"][-1][1]])
    pictures = panels.of(told)
    if not pictures:
        raise click.ClickException("there is nothing to draw")
    drawing = drawn_by("service.showing.drawing")
    draw = drawing.png if output.suffix.lower() == ".png" else drawing.svg
    drawn: bytes = draw(
        "A policy, tried on recorded history", _told({"replay": found, "splits": None})[0], pictures
    )
    return drawn


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from error


def _chosen(policy: Path, model: str | None, environment: str | None) -> Environment:
    try:
        models = segue_yaml.load(_bytes(policy), policy.resolve().parent.name)
    except segue_yaml.Mistaken as wrong:
        raise click.ClickException(f"{policy} has mistakes; see: segue check {policy}") from wrong
    named = [one for one in models if model in {None, one.name}]
    found = [e for one in named for e in one.environments if environment in {None, e.name}]
    if len(found) != 1:
        known = ", ".join(f"{one.name}/{e.name}" for one in models for e in one.environments)
        raise click.ClickException(f"say which with --model and --environment; {policy} declares {known}")
    return found[0]


def _told(found: dict[str, Any]) -> list[str]:
    """The replay in words."""
    one, splits = found["replay"], found["splits"]
    if one["harm"] is None:
        lines = [f"it would not have rolled back; its last verdict is {one['verdict']}"]
    else:
        after, guards = words.span(one["harm"]["after"]), ", ".join(one["harm"]["guards"])
        lines = [f"it would have rolled back after {after}, by the guard {guards}"]
    counted = f"{words.many(one['requests'])} requests, {words.many(one['failed'])} failed"
    highest = f"{words.times(one['highest_evidence'])} of {words.times(one['harm_at'])}"
    lines.append(f"until then the candidate had {counted}; the highest evidence was {highest}")
    lines.append(f"the weight would have been held in {one['held']} of {one['intervals']} intervals")
    lines += [f"  {f['guard']}: {f['verdict']}: {f['rule']}" for f in one["findings"]]
    if splits:
        low, high = (words.share(bound) for bound in splits["interval"])
        lines.append(
            f"stable against itself: rolled back in {splits['rolled_back']} of {splits['splits']} splits"
            f" (very likely between {low} and {high}); requests were dealt one by one, pods were not"
        )
    return lines


COMMANDS = (replay,)
