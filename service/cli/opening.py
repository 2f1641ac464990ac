"""`open`: into the web page."""

import click

from service.cli.context import api, as_json, console, print_json


@click.command("open")
@as_json
def opened(*, wants_json: bool) -> None:
    """Print a link that opens the web page, logged in.

    It works once, within ten minutes, as the operator or as whoever SEGUE_TOKEN belongs to. Open it in a
    browser of yours; on another machine, forward the port first, or set SEGUE_WEB_URL.
    """
    found = api().login_link()
    if wants_json:
        print_json(found)
    else:
        console().print(found["link"])


COMMANDS = (opened,)
