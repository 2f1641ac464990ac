"""What came in, what became of it, and the ways out for what was given up: again, or never."""

import click

from service.cli.acting import obey, reason
from service.cli.context import api, as_json, console, print_json
from service.showing import terminal


@click.command()
@click.argument("event", required=False)
@click.option("--source", metavar="SOURCE", help="Only of this source; people's commands are of `people`.")
@click.option("--failed", is_flag=True, help="Only what was given up, and why.")
@click.option("--before", metavar="NEXT", help="The page after the one that ended with this.")
@click.option("--body", is_flag=True, help="With EVENT: show the delivery's body, without logins.")
@as_json
def events(
    event: str | None,
    source: str | None,
    before: str | None,
    *,
    failed: bool,
    body: bool,
    wants_json: bool,
) -> None:
    """List deliveries and changes seen, and what became of each.

    EVENT is the id of one, to see all of it: a delivery's number, or work-N. What was given up, a delivery
    that could not be read or work that nobody would do, is handled again by: segue replay-event EVENT
    """
    if event is not None:
        found = api().event(event, body=body)
        if wants_json:
            print_json(found)
        else:
            console().print(terminal.event(found))
        return
    page = api().events(source=source, only_failed=failed, before=before).page()
    if wants_json:
        print_json({"events": page.rows, "next": page.next})
        return
    console().print(terminal.events(page.rows))
    if page.next is not None:
        console().print(f"older ones: segue events --before {page.next}")


@click.command("replay-event")
@click.argument("event")
@reason
@as_json
def replay_event(event: str, reason: str | None, *, wants_json: bool) -> None:
    """Handle an event again: a delivery, or what was given up.

    EVENT is an id as `segue events` shows it. A delivery is a hint: its source is asked what is true now,
    so that an old one starts nothing that was done before. What was given up is tried anew, unless
    something newer has come since.
    """
    obey("replay-event", event, wants_json=wants_json, reason=reason)


@click.command("dismiss-event")
@click.argument("event")
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the record.")
@as_json
def dismiss_event(event: str, reason: str, *, wants_json: bool) -> None:
    """Leave what was given up as it is.

    EVENT is an id as `segue events --failed` shows it; it is no longer listed there. Nothing is undone, and
    a delivery can still be handled again.
    """
    obey("dismiss-event", event, wants_json=wants_json, reason=reason)


COMMANDS = (events, replay_event, dismiss_event)
