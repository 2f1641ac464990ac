"""`connect` and `token`: who may tell Segue something. A source out of an address, a token for a person."""

import click

from service import connecting, installation, tokens
from service.cli.context import as_json, chosen, console, print_json
from service.ports import Source
from service.store import Store

KINDS = {"git": "bare", "mlflow": "mlflow"}


@click.command()
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.argument("url")
@click.option("--name", metavar="NAME", help="Its name in hook addresses. Default: the last part of URL.")
@click.option(
    "--owns",
    metavar="GLOB",
    multiple=True,
    default=("*",),
    show_default=True,
    help="Targets that it may own, such as churn/*; may be given several times.",
)
@as_json
def connect(kind: str, url: str, name: str | None, owns: tuple[str, ...], *, wants_json: bool) -> None:
    """Connect a Git repository or an MLflow server.

    Makes a secret, sets the sender's hook where that can be done from here, and looks at the source
    from then on. What is there already starts nothing; the next push, tag or alias does.

    \b
      segue connect git /srv/git/models.git
      segue connect mlflow http://127.0.0.1:5000

    A repository on this machine must lie below a folder named in SEGUE_GIT_ROOTS, here and for `segue up`.
    """
    source = Source(connecting.name_of(url) if name is None else name, KINDS[kind], url, owns)
    connecting.check_name(source.name)
    settings = installation.with_ports(chosen())
    installation.make_folders(settings.home)
    installation.check_store(settings)
    store = Store.open(settings.store_url("engine"))
    told = connecting.connect(settings, store, source, installation.place(settings).intake)
    store.close()
    if wants_json:
        print_json({"name": source.name, "kind": source.kind, "url": url, "owns": list(owns), "told": told})
        return
    for line in told:
        console().print(line)


@click.command()
@click.argument("name")
@as_json
def token(name: str, *, wants_json: bool) -> None:
    """Make an API token for a person or for CI, and show it once.

    NAME is what `approvals: {from: …}` and the record call them; one that commits has the commit author's
    name, so that nobody approves their own release. A token of that name from before ends. It is given to
    `segue` in SEGUE_TOKEN.
    """
    if name == tokens.OPERATOR:
        raise click.ClickException("the operator's token is made by `segue up`; choose another name")
    if not name.strip():
        raise click.BadParameter("a token needs its owner's name, as Git calls them: segue token ann")
    settings = chosen()
    installation.make_folders(settings.home)
    installation.check_store(settings)
    store = Store.open(settings.store_url("engine"))
    made = tokens.make(store, name)
    store.close()
    if wants_json:
        print_json({"name": name, "token": made})
    else:
        click.echo(made)


COMMANDS = (connect, token)
