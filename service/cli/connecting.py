"""`connect`: make a source out of an address."""

import click

from service import connecting, installation, up
from service.cli.context import as_json, chosen, console, print_json
from service.ports import Source
from service.store import Store

KINDS = {"git": "bare", "mlflow": "mlflow"}


@click.command()
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.argument("url")
@click.option("--name", help="The source's name in hook addresses. Default: the last part of the URL.")
@click.option(
    "--owns", multiple=True, default=("*",), show_default=True, help="Targets it may own, as globs: churn/*"
)
@as_json
def connect(kind: str, url: str, name: str | None, owns: tuple[str, ...], *, wants_json: bool) -> None:
    """Connect a Git repository or an MLflow server.

    Makes a secret, sets the hook where that can be done from here, and sweeps from then on. What is
    there already starts nothing; the next push, tag or alias does.

    \b
      segue connect git /srv/git/models.git     needs SEGUE_GIT_ROOTS=/srv/git for `segue up`, too
      segue connect mlflow http://127.0.0.1:5000
    """
    settings = installation.with_ports(chosen())
    installation.make_folders(settings.home)
    source = Source(name or connecting.name_of(url), KINDS[kind], url, owns)
    store = Store.open(settings.store_url("engine"))
    told = connecting.connect(settings, store, source, up.place(settings).intake)
    store.close()
    if wants_json:
        print_json({"name": source.name, "kind": source.kind, "url": url, "owns": list(owns), "told": told})
        return
    for line in told:
        console().print(line)


COMMANDS = (connect,)
