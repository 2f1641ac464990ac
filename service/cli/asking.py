"""`verdict`: what a script that shifts traffic itself should do with it, as an exit code."""

import time

import click

from policies.spec.amounts import DURATION, WEIGHT
from service.cli.amounts import Amount
from service.cli.context import api, as_json, console, print_json
from service.client.results import Verdict

EXIT_CODES = {"go": 0, "wait": 10, "back": 11}
ASK_SECONDS = 2.0


@click.command()
@click.argument("target")
@click.option("--weight", type=Amount(WEIGHT), help="Whether the candidate may have so much, as 50%.")
@click.option(
    "--image", help="The image that is rolled out, by its digest; about any other the answer is wait."
)
@click.option("--wait", "seconds", type=Amount(DURATION), default="0s", help="Ask again for so long, as 30m.")
@as_json
def verdict(
    target: str, weight: float | None, image: str | None, seconds: float, *, wants_json: bool
) -> None:
    """Ask what to do with a candidate's traffic.

    TARGET is a model and its environment, such as fraud/production. Exit codes: 0 go on, 10 wait (stay at
    this weight: not enough is known yet), 11 go back (harm was found); 1 where Segue cannot be asked, which
    is no yes either.
    """
    found = _asked(target, weight, image, time.monotonic() + seconds)
    if wants_json:
        print_json(found)
    else:
        console().print(f"{found['answer']}: {found['reason']}")
    raise click.exceptions.Exit(EXIT_CODES[found["answer"]])


def _asked(target: str, weight: float | None, image: str | None, until: float) -> Verdict:
    """The answer, once it is no `wait`, or time is over."""
    client = api()
    while True:
        found = client.verdict(target, weight=weight, image=image or None)
        if found["answer"] != "wait" or time.monotonic() >= until:
            return found
        time.sleep(ASK_SECONDS)


COMMANDS = (verdict,)
