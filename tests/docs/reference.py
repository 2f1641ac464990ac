"""The rows that the reference of `segue.yaml` must have, made from the parser's table of keys."""

from policies.spec.keys import keys_of
from policies.spec.kinds import Block, Key, Many, Named, OneOf, Plain, Section

HEADINGS = {
    Section.FILE: "### The file",
    Section.MODEL: "### A model",
    Section.BUILD: "### build",
    Section.SERVE: "### serve",
    Section.SERVICES: "### services",
    Section.RESOURCES: "### resources",
    Section.EVALUATE: "### evaluate",
    Section.JOB_RESOURCES: "### evaluate.resources",
    Section.POD: "### pod",
    Section.JOB_POD: "### evaluate.pod",
    Section.VOLUME: "### A volume",
    Section.REPLICAS: "### replicas",
    Section.EXTERNAL: "### An external metric",
    Section.WEIGHTS: "### weights",
    Section.ON: "### on",
    Section.ENVIRONMENT: "### An environment",
    Section.SHADOW: "### shadow",
    Section.STEP: "### A step",
    Section.APPROVALS: "### approvals",
    Section.BUDGET: "### budget",
    Section.GUARDS: "### guards",
    Section.ERRORS: "### guards.errors",
    Section.LATENCY: "### guards.latency",
    Section.ALIVE: "### guards.alive",
    Section.SHARE: "### guards.share",
    Section.ANSWERS: "### guards.answers",
    Section.GUARD: "### A guard of your own",
    Section.SEGMENTS: "### segments",
}


def keys_in(section):
    """The keys that are described below a section's heading; what a model may write too is told there."""
    keys = keys_of(section)
    if section is Section.ENVIRONMENT:
        return [key for key in keys.values() if Section.MODEL not in key.where]
    return list(keys.values())


def row(key: Key) -> list[str]:
    """Key, type, default, meaning."""
    return [f"`{key.name}`", kind(key.kind), default(key), key.doc.replace("|", "\\|")]


def default(key: Key) -> str:
    if key.default is not None:
        return f"`{key.default}`"
    return key.note or "none"


def kind(what) -> str:
    """A kind of value in few words."""
    match what:
        case Plain(form=form):
            return ", ".join(f"`{word}`" for word in form.words) if form.words else form.name
        case Block(section=section):
            return link(section)
        case Named(of=of, section=Section() as section):
            return f"{link(section)}, and name to {kind(of)}"
        case Named(of=of):
            return f"mapping: name to {kind(of)}"
        case Many(of=of, single=single):
            return f"list of {kind(of)}" + (", or one" if single else "")
        case OneOf(kinds=kinds):
            return " or ".join(kind(one) for one in kinds)


def link(section: Section) -> str:
    heading = HEADINGS[section].removeprefix("### ")
    return f"[{heading}](#{anchor(heading)})"


def anchor(heading: str) -> str:
    """The name that a heading gets on a page."""
    letters = (letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return "".join(letters).replace(" ", "-")
