"""Who may do what: tokens, roles for people, who one is. All but `whoami` work on the machine itself."""

import time
from typing import Any

import click
from rich.text import Text

from policies import roles
from policies.roles import Grant, Role
from policies.spec.amounts import DURATION
from service.cli.amounts import Amount
from service.cli.context import api, as_json, console, print_json, table
from service.cli.storing import own_store
from service.identity import admitting, callers, tokens
from service.identity.callers import MACHINE
from service.showing import admitted
from service.showing.terminal import ago
from service.store.store import Store


class Where(click.ParamType[str]):
    """A pattern of targets."""

    name = "where"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The pattern as it is stored; what is none is wrong usage."""
        try:
            return roles.grant(Role.VIEWER, str(value)).where
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


on = click.option(
    "--on",
    "places",
    type=Where(),
    multiple=True,
    metavar="WHERE",
    help="Only at these targets: wine, wine/production, '*/staging'. Default: all. Again for more.",
)


@click.command()
@click.argument("name")
@click.option(
    "--role", "given", type=click.Choice([one.value for one in Role]), multiple=True, help="Again for more."
)
@on
@click.option("--expires", type=Amount(DURATION), metavar="TIME", help="It ends after so long, as 90d.")
@click.option("--only", type=click.Choice([tokens.VERDICTS]), help="The same as --role verdicts.")
@click.option("--revoke", is_flag=True, help="End the token of that name, its logins and its links.")
@as_json
def token(
    name: str,
    given: tuple[str, ...],
    places: tuple[str, ...],
    expires: float | None,
    only: str | None,
    *,
    revoke: bool,
    wants_json: bool,
) -> None:
    """Make an API token for a person or for CI, and show it once.

    NAME is what `approvals: {from: …}` and the record call them; one that commits has the commit author's
    name, so that nobody approves their own release. A token of that name from before ends. It is given to
    `segue` in SEGUE_TOKEN. Without --role it may do everything.

    \b
      segue token ann --role viewer --role approver --on wine
      segue token ci --role operator --on '*/staging' --expires 90d
      segue token ann --revoke
    """
    if not name.strip():
        raise click.BadParameter("a token needs its owner's name, as Git calls them: segue token ann")
    if name == tokens.OPERATOR or not revoke:
        _free(name)
    wanted = _grants(given, places, only)
    with own_store() as store:
        if revoke:
            _revoke(store, name, wants_json=wants_json)
            return
        until = None if expires is None else store.now() + expires
        made = tokens.make(store, name, expires=until, grants=wanted)
    if wants_json:
        print_json(
            {
                "name": name,
                "token": made,
                "roles": admitted.grants(wanted or roles.OWNER.grants),
                "expires": until,
            }
        )
    else:
        click.echo(made)


def _free(name: str) -> None:
    try:
        admitting.free(name)
    except admitting.Wrong as wrong:
        raise click.ClickException(str(wrong)) from None


def _grants(given: tuple[str, ...], places: tuple[str, ...], only: str | None) -> list[Grant]:
    named = (*given, *((only,) if only else ()))
    if places and not named:
        raise click.UsageError("write which role, too: --role operator --on wine")
    return [roles.grant(role, where) for role in named for where in places or (roles.EVERYWHERE,)]


def _revoke(store: Store, name: str, *, wants_json: bool) -> None:
    if not tokens.revoke(store, name):
        raise click.ClickException(f"there is no token {name!r}; see: segue tokens")
    if wants_json:
        print_json({"name": name, "revoked": True})
    else:
        click.echo(f"{name}'s token is no more")


@click.command("tokens")
@as_json
def listed(*, wants_json: bool) -> None:
    """List all tokens: whose, what each may do, and until when.

    The tokens themselves are stored nowhere.
    """
    with own_store() as store:
        now = store.now()
        found = tokens.all_of(store)
    if wants_json:
        print_json({"tokens": [admitted.token(one, may) for one, may in found]})
        return
    rows = [(one.name, str(may), ago(one.created), _end(one.expires, now)) for one, may in found]
    console().print(table(("name", "may", "made", "ends"), rows))


def _end(expires: float | None, now: float) -> str:
    if expires is None:
        return "never"
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(expires))
    return when if expires > now else f"ended {when}"


@click.command()
@click.argument("who")
@click.argument(
    "role", type=click.Choice([one.value for one in Role if one is not Role.VERDICTS]), required=False
)
@on
@click.option("--revoke", is_flag=True, help="Take it back; without ROLE, every role of theirs.")
@as_json
def grant(who: str, role: str | None, places: tuple[str, ...], *, revoke: bool, wants_json: bool) -> None:
    """Give somebody a role, or take it back.

    WHO is a login at a source, as github:ann, at the provider of identities, as oidc:ann, or a group that it
    names, as @ml-team. A login at a Git host that has a role here may do in comments what its roles say, and
    no more; one that has none may what the host lets it. A token's roles are its own: segue token

    \b
      segue grant @ml-team operator --on '*/staging'
      segue grant oidc:ann approver --on wine/production
      segue grant oidc:ann --revoke
    """
    wanted = _granted(who, role, places, revoke=revoke)
    with own_store() as store, store.change() as change:
        if revoke:
            gone = [callers.take_back(change, who, MACHINE, one) for one in wanted]
            count = sum(gone) if wanted else callers.take_back(change, who, MACHINE)
        else:
            count = sum(callers.give(change, who, one, MACHINE) for one in wanted)
        rights = callers.granted(change, [who])
    if wants_json:
        print_json({"who": who, "changed": count, "roles": admitted.grants(rights.grants)})
    else:
        click.echo(f"{who} has {rights}")


def _granted(who: str, role: str | None, places: tuple[str, ...], *, revoke: bool) -> list[Grant]:
    if role is None and (places or not revoke):
        raise click.UsageError(f"write which role, too: segue grant {who} operator")
    try:
        if role is None or revoke:
            admitting.holder(who)
            return admitting.grants((role, where) for where in places or (roles.EVERYWHERE,)) if role else []
        return [admitting.given(who, role, where)[1] for where in places or (roles.EVERYWHERE,)]
    except admitting.Wrong as wrong:
        raise click.BadParameter(str(wrong)) from None


@click.command("grants")
@as_json
def given(*, wants_json: bool) -> None:
    """List who was given which role, where and when.

    What tokens may do stands in: segue tokens
    """
    with own_store() as store, store.read() as read:
        found = admitting.grants_given(read)
    if wants_json:
        print_json({"grants": [admitted.given(one) for one in found]})
        return
    rows = [(one.holder, one.grant.role.value, one.grant.where, ago(one.at)) for one in found]
    console().print(table(("who", "role", "on", "given"), rows) if rows else "nobody was given a role yet")


@click.command()
@as_json
def whoami(*, wants_json: bool) -> None:
    """Say who the API takes you for, and what you may do where."""
    found = api().me()
    if wants_json:
        print_json(found)
        return
    console().print(Text(found["name"]))
    for one in found["roles"]:
        console().print(Text(f"  {one['role']} on {one['on']}"))


COMMANDS = (token, listed, grant, given, whoami)
