"""`person`: which accounts are one person's."""

import click

from service.cli.context import as_json, console, print_json
from service.cli.storing import own_store
from service.identity import people


@click.command()
@click.argument("name", required=False)
@click.argument("accounts", nargs=-1)
@click.option("--forget", is_flag=True, help="Forget which accounts are this person's.")
@as_json
def person(name: str | None, accounts: tuple[str, ...], *, forget: bool, wants_json: bool) -> None:
    """Say which accounts are one person's, or show it.

    NAME is the person, and their token's name. ACCOUNTS are all others: a login at a source as
    SOURCE:LOGIN, in a chat as CHAT:NAME by the name that `segue connect CHAT --person ID=NAME` gave, another
    token's name, an author's name as Git knows it. One of the same name needs no word. Whoever has several
    counts once, and approves nothing that another account of theirs wrote or pushed. What was said of NAME
    before is replaced.

    \b
      segue person ann "Ann Example" code:ann-x slack:annie
    """
    if (accounts or forget) and not name:
        raise click.UsageError("whose accounts? write: segue person NAME ACCOUNT...")
    with own_store() as store:
        if name and (accounts or forget):
            people.name(store, name, () if forget else accounts)
        with store.read() as read:
            known = people.everybody(read)
    shown = {one: list(theirs) for one, theirs in known.items() if name in {None, one}}
    if wants_json:
        print_json({"people": shown})
        return
    for one, theirs in shown.items():
        console().print(f"{one}  {', '.join(theirs)}")
    if not shown:
        whose = name or "anybody"
        console().print(f"no other account of {whose} is known; write: segue person NAME ACCOUNT...")


COMMANDS = (person,)
