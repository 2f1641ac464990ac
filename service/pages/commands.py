"""What people want done from the page: stored like any command, with what they saw when they asked."""

import json
import secrets
import time

from flask import Blueprint, Response, g, make_response, redirect, render_template, request

from handlers.commands import BY_VERB
from service.bootstrap import Parts
from service.engine.seen import SEEN
from service.errors import StoreError
from service.identity import answers
from service.identity.callers import Caller
from service.pages.door import inside
from service.store.inbox import Delivery

PEOPLE = "people"  # the inbox's name for what people say, whichever way they say it
CHANNEL = "page"
LONGEST = 2000  # characters of a field
NAMES = ("verb", "subject", "digest", "reason")
ARGUMENTS = (SEEN, "version", "image", "registry")  # beside them, as the API takes them


def routes(page: Blueprint, parts: Parts) -> None:
    """The one address that takes commands, and what each was answered."""

    @page.context_processor
    def once() -> dict[str, object]:
        """A name for each form: pressed twice, it is one command."""
        return {"once": secrets.token_hex(12)}

    @page.post("/commands")
    def command() -> Response:
        told = {name: request.form.get(name, "").strip() for name in (*NAMES, *ARGUMENTS)}
        wrong = told["verb"] not in BY_VERB or any(
            len(text) > LONGEST or "\0" in text for text in told.values()
        )
        if wrong or not told["subject"]:
            why = "This is no command that the page has. Go back and load the page anew."
            return make_response(render_template("wrong.html", title="Not done", why=why), 400)
        name = f"page-{request.form.get('once', '')[:40] or secrets.token_hex(12)}"
        body = json.dumps(_body(told, g.visitor.caller), sort_keys=True).encode()
        try:
            stored = parts.inbox.store(Delivery(PEOPLE, name, {}, body, time.time()))
        except StoreError:
            why = "The store does not answer, so nothing was done. Try again in some seconds."
            return make_response(render_template("wrong.html", title="Not done", why=why), 503)
        where = inside(request.form.get("back", "").partition("?")[0])
        return make_response(redirect(f"{where}?told={stored.id}", 303))

    @page.get("/answers/<delivery>")
    def answer(delivery: str) -> str:
        return render_template(
            "_answer.html", told=delivery, answer=answers.of(parts, g.visitor.caller, delivery)
        )

    @page.context_processor
    def told() -> dict[str, object]:
        """What the command that the address names was answered, where it names one."""
        number = request.args.get("told", "")
        if "visitor" not in g or not (number.isascii() and number.isdigit() and len(number) < 10):
            return {"told": ""}
        return {"told": number, "answer": answers.of(parts, g.visitor.caller, number)}


def _body(told: dict[str, str], caller: Caller) -> dict[str, object]:
    """The command as the intake stores it."""
    given = {key: told[key] for key in NAMES if told[key]}
    arguments = {key: told[key] for key in ARGUMENTS if told[key]}
    who = {"actor": caller.name, "authority": list(caller.holders)}
    return {**given, "arguments": arguments, "channel": CHANNEL, **who}
