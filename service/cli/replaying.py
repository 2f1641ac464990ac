"""`replay`: a policy over recorded history, before it is trusted. Changes nothing."""

from pathlib import Path
from typing import Any

import click

from policies.guards.trail import Recorded
from policies.spec.declaration import Environment
from service import intervals_csv, recorded, replays, segue_yaml
from service.cli.context import api, as_json, console, print_json
from service.reporting import words
from service.states import ENVIRONMENT


@click.command()
@click.argument("release", required=False)
@click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Recorded intervals in a file instead of a release's own.")  # fmt: skip
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The segue.yaml to try. Default: the policy that the release had.")  # fmt: skip
@click.option("--model", metavar="NAME", help="Which model of the file, where it declares several.")
@click.option("--environment", metavar="NAME", help="Which of its environments, where there are several.")
@click.option("--splits", type=click.IntRange(0, 10_000), default=0, show_default=True,
              help="How often stable's own requests are dealt in two, to see false rollbacks.")  # fmt: skip
@click.option("--share", type=click.FloatRange(1, 50), default=10.0, show_default=True, metavar="PERCENT",
              help="The share of the pretended candidate in such a split.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same splits.")
@as_json
def replay(
    *, release: str | None, table: Path | None, policy: Path | None, model: str | None,
    environment: str | None, splits: int, share: float, seed: int, wants_json: bool,
) -> None:  # fmt: skip
    """Try a policy on recorded history.

    RELEASE is a name such as rel-7: its stored increments are judged again, by its own policy or by that of
    --policy. With --csv: those of a file. Told is what the policy would have done, and when; with --splits
    also how often it would have taken a version back that is the same as stable.
    """
    if (release is None) == (table is None):
        raise click.UsageError("name a release, such as rel-7, or a file: --csv FILE --policy segue.yaml")
    if table is not None and policy is None:
        raise click.UsageError("a file has no policy of its own; say which to try: --policy segue.yaml")
    history, used = _recorded(release, table)
    if policy is not None:
        used = _chosen(policy, model, environment)
    found: dict[str, Any] = {"replay": replays.outcome(used, history), "splits": None}
    if splits:
        found["splits"] = replays.wrong_rollbacks(used, history, splits=splits, share=share / 100, seed=seed)
    if wants_json:
        print_json(found)
        return
    for line in _told(found):
        console().print(line, markup=False)


def _recorded(release: str | None, table: Path | None) -> tuple[Recorded, Environment]:
    """What is judged, and the policy that it had; a file had none, so its caller brings one."""
    if table is not None:
        try:
            return intervals_csv.read(_bytes(table).decode()), Environment()
        except (intervals_csv.BadFile, UnicodeDecodeError) as wrong:
            raise click.ClickException(f"{table.name}: {wrong}") from wrong
    found = api().get(f"releases/{release}/increments")
    history = recorded.read(found["recorded"])
    if not history.seen:
        raise click.ClickException(f"of {release} no interval is stored: none yet, or no longer kept")
    return history, ENVIRONMENT.load(found["environment"])


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
