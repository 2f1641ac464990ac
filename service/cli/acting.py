"""What people can do to releases: one command each, all through the one grammar and API."""

from collections.abc import Callable
from typing import Any

import click

from service.cli.context import EXIT_FAILED, api, as_json, console, print_json


def obey(verb: str, subject: str | None, *, wants_json: bool, **given: str | None) -> None:
    """Give a command, print its reply, and end with an exit code that says whether it was obeyed."""
    reply = api().command(verb, subject, **{k: v for k, v in given.items() if v is not None})
    if wants_json:
        print_json(reply)
    elif reply["ok"]:
        console().print(reply["text"])
    else:
        click.echo(f"segue: {reply['text']}", err=True)
    if not reply["ok"]:
        raise click.exceptions.Exit(EXIT_FAILED)


reason = click.option("--reason", metavar="TEXT", help="Why; it stands in the record.")
release = click.argument("release", required=False)
WHICH = (
    "RELEASE is a name such as rel-7, or a model or target. Without it the only release that fits is meant."
)


@click.command()
@release
@click.argument("digest", required=False)
@reason
@as_json
def approve(release: str | None, digest: str | None, reason: str | None, *, wants_json: bool) -> None:
    """Let a release that waits for approval go on.

    RELEASE is a name such as rel-7, or a model or target. Without it the only release that waits is
    meant. DIGEST is the plan that you saw, as `segue show` prints it (sha256: and at least 12 digits):
    if the plan has changed since, nothing is approved. The author of a release cannot approve it.
    """
    obey("approve", release, wants_json=wants_json, digest=digest, reason=reason)


@click.command()
@click.argument("release")
@click.argument("digest", required=False)
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the record, and is told.")
@as_json
def override(release: str, digest: str | None, reason: str, *, wants_json: bool) -> None:
    """Let a release go on against its rules: for admins.

    RELEASE waits for approval, or for evidence. Its plan of now (DIGEST: only if that is still the plan)
    goes on without approvals, or to the next weight even under suspicion; harm still takes it back. The
    record, the log, a counter, the commit's status and the page say who did it and why. Where it has not
    begun within an hour, its rules hold again.
    """
    obey("override", release, wants_json=wants_json, digest=digest, reason=reason)


def _simple(
    verb: str, about: str, subject: Callable[..., Any] = release, which: str = WHICH
) -> click.Command:
    @click.command(verb, help=f"{about}\n\n{which}")
    @subject
    @reason
    @as_json
    def command(release: str | None, reason: str | None, *, wants_json: bool) -> None:
        obey(verb, release, wants_json=wants_json, reason=reason)

    return command


@click.command()
@click.argument("target")
@reason
@as_json
def rollback(target: str, reason: str | None, *, wants_json: bool) -> None:
    """Serve the version before again.

    TARGET is a target such as wine/production, or a model that has only one. While a release is on its
    way there, that release is taken back. Otherwise a new release switches all traffic to the version
    before, which is kept running for this.
    """
    obey("rollback", target, wants_json=wants_json, reason=reason)


@click.command("hand-back")
@click.argument("target")
@reason
@as_json
def hand_back(target: str, reason: str | None, *, wants_json: bool) -> None:
    """Return a Deployment that was taken over, as it was found.

    The version that serves now goes on serving, in the Deployment that was there before Segue; its
    replicas, its autoscaler and its route are as they were found. What Segue made is removed. The next
    release takes it over again, so remove the model from its segue.yaml first.
    """
    obey("hand-back", target, wants_json=wants_json, reason=reason)


@click.command()
@click.argument("target")
@click.argument("digest", required=False)
@reason
@as_json
def repair(target: str, digest: str | None, reason: str | None, *, wants_json: bool) -> None:
    """Write once more what Segue decided.

    TARGET was changed by somebody else, as `segue targets` tells: its route, or the image of its Deployment;
    or the alias of what serves was moved. DIGEST is what you saw, as `segue targets` prints it: if it has
    changed since, nothing is written.

    \b
      segue targets
      segue repair wine/production sha256:9fce2732724e --reason "a hotfix by hand, not wanted"
    """
    obey("repair", target, wants_json=wants_json, digest=digest, reason=reason)


@click.command()
@click.argument("target")
@click.argument("digest", required=False)
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the record.")
@as_json
def adopt(target: str, digest: str | None, reason: str, *, wants_json: bool) -> None:
    """Take what somebody else changed for right: for admins.

    What serves TARGET now is its stable version from now on, and called not proven. DIGEST is what you saw,
    as `segue targets` prints it: if it has changed since, nothing is taken for right.

    \b
      segue targets
      segue adopt wine/production sha256:9fce2732724e --reason "the hotfix of last night stays"
    """
    obey("adopt", target, wants_json=wants_json, digest=digest, reason=reason)


@click.command()
@click.argument("model")
@click.option("--version", metavar="N", help="The registered version. Needed where the model has `model:`.")
@click.option("--image", metavar="DIGEST", help="An image of the model, as sha256:...")
@click.option("--registry", metavar="NAME", help="Which registry, where several are connected.")
@as_json
def start(
    model: str, version: str | None, image: str | None, registry: str | None, *, wants_json: bool
) -> None:
    """Start a release without a push or an alias, as from CI.

    A model that is built from code is released as it stands on the default branch, or from an image of
    it that was built before. A model from a registry is released as version N. A model that is an image
    of somebody else's is released from the newest matching tag, or from the image of that digest.
    """
    obey("start", model, wants_json=wants_json, version=version, image=image, registry=registry)


COMMANDS = (
    start,
    approve,
    override,
    _simple("reject", "End a release that waits for approval."),
    _simple("promote", "Go to the next weight now; the record says who did."),
    _simple("abort", "End a release, and take its traffic back."),
    _simple(
        "retry",
        "Try an ended release again, as a new one.",
        click.argument("release"),
        "RELEASE is a name such as rel-7. A version that could not be built or evaluated is tried anew.",
    ),
    _simple("pause", "Keep the present weight until resume."),
    _simple("resume", "Go on after a pause."),
    rollback,
    repair,
    adopt,
    hand_back,
)
