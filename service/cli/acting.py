"""What people can do to releases: one command each, all through the one grammar and API."""

import click

from service.cli.context import EXIT_FAILED, api, as_json, console, print_json


def _obey(verb: str, subject: str | None, *, wants_json: bool, **given: str | None) -> None:
    reply = api().command(verb, subject, **{k: v for k, v in given.items() if v is not None})
    if wants_json:
        print_json(reply)
    elif reply["ok"]:
        console().print(reply["text"])
    else:
        click.echo(f"segue: {reply['text']}", err=True)
    if not reply["ok"]:
        raise click.exceptions.Exit(EXIT_FAILED)


reason = click.option("--reason", help="Why; it stands in the record.")
release = click.argument("release", required=False)


@click.command()
@release
@click.argument("digest", required=False)
@reason
@as_json
def approve(release: str | None, digest: str | None, reason: str | None, *, wants_json: bool) -> None:
    """Let a waiting release go on.

    DIGEST is what you saw (`segue show`): if the plan has changed since, nothing is approved. The
    author of a release cannot approve it.
    """
    _obey("approve", release, wants_json=wants_json, digest=digest, reason=reason)


def _simple(verb: str, about: str) -> click.Command:
    @click.command(verb, help=about)
    @release
    @reason
    @as_json
    def command(release: str | None, reason: str | None, *, wants_json: bool) -> None:
        _obey(verb, release, wants_json=wants_json, reason=reason)

    return command


@click.command()
@click.argument("target")
@reason
@as_json
def rollback(target: str, reason: str | None, *, wants_json: bool) -> None:
    """Serve the version before again on TARGET (such as wine or wine/production).

    While a release is on its way there it is taken back; otherwise a new release switches to the
    version before, which is kept warm.
    """
    _obey("rollback", target, wants_json=wants_json, reason=reason)


@click.command()
@click.argument("model")
@click.option("--version", help="The registered version to release; without it, what is declared now.")
@as_json
def start(model: str, version: str | None, *, wants_json: bool) -> None:
    """Start a release of MODEL, for CI: of a registered version, or of the commit that declares it."""
    _obey("start", model, wants_json=wants_json, version=version)


COMMANDS = (
    start,
    approve,
    _simple("reject", "End a waiting release."),
    _simple("promote", "Go on without waiting for the step's end; the record says who did."),
    _simple("abort", "Take a release's traffic back, and end it."),
    _simple("retry", "Try an ended release again, as a new one."),
    _simple("pause", "Keep the present weight until resume."),
    _simple("resume", "Go on after a pause."),
    rollback,
)
