"""`logins`: who is logged in to the page, and ending that. It works on the machine itself."""

import click

from service.cli.context import as_json, console, print_json, table
from service.cli.storing import own_store
from service.identity import sessions
from service.identity.callers import MACHINE, OF_TOKEN
from service.showing.terminal import ago
from service.store.store import Store


@click.command()
@click.argument("name", required=False)
@click.option("--end", is_flag=True, help="End all logins of NAME, and links that were not followed yet.")
@as_json
def logins(name: str | None, *, end: bool, wants_json: bool) -> None:
    """List who is logged in to the page; or end somebody's logins.

    NAME is a token's, or a login by the provider of identities as oidc:ann. Who may log in again, can: take
    their role back, or their token, too.

    \b
      segue logins
      segue logins oidc:ann --end
    """
    if end and not name:
        raise click.UsageError("whose logins? write: segue logins NAME --end")
    with own_store() as store:
        ended = _ended(store, name) if end and name else 0
        with store.read() as read:
            found = [one for one in sessions.all_open(read) if name in {None, one.name}]
    if wants_json:
        told = [{"name": one.name, "since": one.since, "used": one.used} for one in found]
        print_json({"logins": told, "ended": ended})
    elif end:
        console().print(f"{ended} login{'' if ended == 1 else 's'} of {name} ended")
    else:
        rows = [(one.name, ago(one.since), ago(one.used)) for one in found]
        console().print(table(("name", "since", "used"), rows) if rows else "nobody is logged in")


def _ended(store: Store, name: str) -> int:
    """How many: of the token of that name, and of whom the provider calls so."""
    return sum(sessions.end_all(store, holder, MACHINE) for holder in (OF_TOKEN + name, name))


COMMANDS = (logins,)
