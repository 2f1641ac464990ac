"""The command grammar: `/segue <verb> [release or target] [digest] [reason]`, one on each line.

The same on every channel. Quotes and code blocks never count. Help is made from the same table that
the parser reads.
"""

import difflib
import re
from dataclasses import dataclass

from handlers import own_words
from policies.events import Command, Verb

PREFIX = "/segue"
DIGEST = re.compile(r"sha256:[0-9a-f]{12,64}\Z")

BY_TOKEN = ("api", "cli", "page")  # the channels by which the owner of a token speaks


@dataclass(frozen=True, slots=True)
class Form:
    """A verb's place in the grammar: what it is for, and what it must name."""

    verb: Verb
    about: str
    subject: str  # what it names, for people
    required: bool


FORMS: tuple[Form, ...] = (
    Form("approve", "let a waiting release go on", "release", required=False),
    Form("override", "let a release go on against its rules; for admins, say why", "release", required=True),
    Form("reject", "end a waiting release", "release", required=False),
    Form("promote", "go on without waiting for the step's end", "release", required=False),
    Form("abort", "take a release's traffic back and end it", "release", required=False),
    Form("retry", "try an ended release again", "release", required=True),
    Form("pause", "keep the present weight", "release", required=False),
    Form("resume", "go on after a pause", "release", required=False),
    Form("rollback", "serve the version before again", "target", required=True),
    Form(
        "repair",
        "write once more what Segue decided",
        "target",
        required=True,
    ),
    Form("adopt", "take what somebody else changed for right; for admins, say why", "target", required=True),
    Form("hand-back", "return a Deployment that was taken over", "target", required=True),
    Form("start", "release a version of a registered model", "model", required=True),
    Form("replay-event", "handle a delivery, or work that was given up, again", "event", required=True),
    Form("dismiss-event", "leave what was given up as it is; say why", "event", required=True),
    Form("help", "show this", "", required=False),
)
_BOUND = frozenset({"approve", "override", "repair", "adopt"})  # to what was seen, where it is named
_EXPLAINED = frozenset({"override", "adopt"})
BY_VERB = {form.verb: form for form in FORMS}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that means a command and is none, with what to write instead."""

    line: str
    message: str


def parse(text: str, actor: str, channel: str, at: float) -> tuple[Command | Wrong, ...]:
    """All commands of a comment or message, in order; a line that is wrong stands as `Wrong`."""
    return tuple(_line(line, actor, channel, at) for line in command_lines(text))


def command_lines(text: str) -> tuple[str, ...]:
    """The lines that begin with `/segue`, outside of code blocks and quotes."""
    begins = (f"{PREFIX} ", f"{PREFIX}\t")
    said = own_words.lines(text)
    return tuple(line.strip() for line in said if line == PREFIX or line.startswith(begins))


def _line(line: str, actor: str, channel: str, at: float) -> Command | Wrong:
    words = line.split()[1:]
    if not words:
        return Command("help", None, None, None, actor, channel, at)
    form = BY_VERB.get(words[0].lower())  # type: ignore[call-overload]
    if form is None:
        return Wrong(line, _did_you_mean(words[0]))
    subject, digest, rest = _parts(words[1:])
    if form.required and subject is None:
        return Wrong(line, f"{form.verb} which {form.subject}? Write: {usage(form)}")
    return Command(form.verb, subject, digest, " ".join(rest) or None, actor, channel, at)


def _parts(words: list[str]) -> tuple[str | None, str | None, list[str]]:
    subject = digest = None
    rest = list(words)
    if rest and not DIGEST.match(rest[0]):
        subject = rest.pop(0)
    if rest and DIGEST.match(rest[0]):
        digest = rest.pop(0)
    return subject, digest, rest


def _did_you_mean(word: str) -> str:
    known = [form.verb for form in FORMS]
    near = difflib.get_close_matches(word.lower(), known, n=1)
    hint = f"did you mean `{PREFIX} {near[0]}`?" if near else "known: " + ", ".join(known)
    return f"{word[:40]!r} is not a command; {hint}"


def usage(form: Form) -> str:
    """How a verb is written."""
    if not form.subject:
        return f"{PREFIX} {form.verb}"
    named = f"<{form.subject}>" if form.required else f"[{form.subject}]"
    digest = " [digest]" if form.verb in _BOUND else ""
    reason = "<reason>" if form.verb in _EXPLAINED else "[reason]"
    return f"{PREFIX} {form.verb} {named}{digest} {reason}"


def help_text() -> str:
    """All verbs, a line each."""
    width = max(len(usage(form)) for form in FORMS)
    return "\n".join(f"{usage(form):<{width}}  {form.about}" for form in FORMS)


def render(command: Command) -> str:
    """The line that means this command."""
    words = [PREFIX, command.verb, command.subject or "", command.digest or "", command.reason or ""]
    return " ".join(word for word in words if word)
