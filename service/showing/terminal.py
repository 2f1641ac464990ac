"""How things look in a terminal: plain values in, something that rich can draw out. No I/O."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.showing.counted import said

Row = Mapping[str, Any]  # as `views` makes it, or the API answers it
Rows = Sequence[Row]
COLOURS = {
    "promoted": "green", "already there": "green", "rolled back": "red", "failed": "red", "refused": "red",
    "rejected": "red", "aborted": "yellow", "superseded": "dim", "approval": "magenta", "restoring": "red",
    "shadowing": "cyan", "shifting": "cyan", "watching": "cyan",
}  # fmt: skip
VERDICTS = {"harm": "red", "suspect": "yellow", "undecided": "dim", "cleared": "green"}
WIDTH = 30


def coloured(phase: str) -> Text:
    """A phase's word in its colour."""
    return Text(phase, style=COLOURS.get(phase, "white"))


def bar(percent: float, width: int = WIDTH) -> Text:
    """A weight as a bar: full blocks for the candidate, light ones for stable."""
    full = round(width * percent / 100)
    if percent > 0:
        full = max(1, full)
    return Text("█" * full, style="cyan") + Text("░" * (width - full), style="dim") + Text(f" {percent:g} %")


def ago(at: float | None) -> str:
    """A time in words, from now."""
    if at is None:
        return ""
    seconds = max(0.0, time.time() - at)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def releases(found: Rows) -> RenderableType:
    """Releases as a table."""
    if not found:
        return Text("no release yet: push a commit, or see: segue doctor")
    table = Table(box=None, pad_edge=False)
    for column in ("release", "target", "state", "weight", "why", "began"):
        table.add_column(column, no_wrap=column != "why", overflow="fold")
    for one in found:
        why = Text(_cut(one["would"] or one["reason"] or one["cause"]))
        table.add_row(
            one["name"],
            one["target"],
            coloured(one["phase"]),
            _weight(one),
            why,
            ago(one["began"]),
        )
    return table


def _weight(one: Row) -> RenderableType:
    if one["phase"] in {"shifting", "watching", "restoring"}:
        return bar(one["observed"], 12)
    return Text("")


def _cut(text: str, most: int = 70) -> str:
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= most else first[: most - 1] + "…"


def targets(found: Rows) -> RenderableType:
    """Targets as a table."""
    if not found:
        return Text("nothing serves yet")
    table = Table(box=None, pad_edge=False)
    for column in ("target", "stable", "kept warm", "holder", "address"):
        table.add_column(column, overflow="fold")
    for one in found:
        stable, before = one["stable"], one["previous"]
        table.add_row(
            one["name"],
            (stable["release"] or "found there") if stable else "-",
            (before["release"] or "found there") if before else "-",
            one["holder"] or "-",
            one["address"] or "-",
        )
    waits = [Text(f"{one['name']} waits: {one['waits']}", style="yellow") for one in found if one["waits"]]
    return Group(table, *waits, *[Text(_drift(one), style="yellow") for one in found if one["seen"]])


def _drift(one: Row) -> str:
    """What somebody else changed, what names something else, and the lines that mend it."""
    said = [f"{one['name']} was changed by somebody else: {one['drift']}"] if one["drift"] else []
    said += [f"{one['name']}: {line}" for line in (one["apart"] or "").splitlines()]
    return "\n".join((*said, f"  {one['mending']}", f"  seen: {one['seen'][:19]}"))


def board(found: Rows, places: Rows) -> RenderableType:
    """The live view: targets above, the newest releases below."""
    return Group(targets(places), Text(""), releases(found[:12]))


def release(found: Row) -> RenderableType:
    """One release with everything that explains it."""
    one, version = found["release"], found["version"]
    parts: list[RenderableType] = [
        Text.assemble((one["name"], "bold"), " on ", one["target"], "  ", coloured(one["phase"])),
        Text(one["title"]),
        Text(f"cause    {one['cause']}"),
    ]
    if one["mode"] == "observe":
        did = one["would"] or "would have done nothing yet"
        parts.append(Text(f"mode     only watching, nothing is changed; Segue {did}", style="magenta"))
    if one["author"]:
        parts.append(Text(f"author   {one['author']}"))
    if one["reason"]:
        parts.append(Text(f"reason   {one['reason']}", style="bold"))
    if one["waits"]:
        parts.append(Text(f"waits    {one['waits']}", style="yellow"))
    if version:
        parts += _version(version)
    parts += [Text(f"gate     {line}") for line in one["gates"]]
    if one["phase"] in {"shifting", "watching", "restoring"}:
        wanted = "evidence allowed" if one["mode"] == "observe" else "wanted"
        parts.append(Text("weight   ") + bar(one["observed"]) + Text(f"  {wanted} {one['wanted']:g} %"))
    if found.get("estimate"):
        parts.append(Text(f"time     {found['estimate']['text']}"))
    if one["phase"] == "approval":
        parts.append(Text(f"approve  segue approve {one['name']} {one['plan'][:19]}", style="magenta"))
    if one["phase"] == "promoted":
        proof = "proven by its guards" if one["proven"] else "not proven: " + "; ".join(one["unproven"])
        parts.append(Text(f"proof    {proof}"))
    if one["evidence"]:
        parts.append(evidence(one["evidence"]))
    parts += [_parked(work) for work in found["parked"]]
    if found.get("parked_next"):
        parts.append(Text("given up more than that: segue events --failed", style="yellow"))
    parts.append(record(found["record"]))
    return Group(*parts)


def _parked(work: Row) -> Text:
    back = f"; once that is mended: {work['again']}" if work["again"] else ""
    return Text(f"given up {work['kind']}: {work['reason']}{back}", style="yellow")


def _version(version: Row) -> list[RenderableType]:
    what = version["commit"][:12] if version["commit"] else ""
    if version["registered"]:
        what = "/".join(version["registered"]) + (f" with {what}" if what else "")
    layers = ", ".join(f"{name} {how}" for name, how in version["layers"].items())
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in version["metrics"].items())
    lines: list[RenderableType] = [Text(f"version  {what}  {version['image'] or 'no image yet'}")]
    if layers:
        lines.append(Text(f"layers   {layers}"))
    if numbers:
        lines.append(Text(f"numbers  {numbers}"))
    return lines


def evidence(found: Row) -> RenderableType:
    """Guards against their limits."""
    title = f"evidence at {found['weight']:g} %: {found['verdict']}, allows up to {found['allowed']:g} %"
    table = Table(box=None, pad_edge=False)
    for column in ("guard", "verdict", "why"):
        table.add_column(column, overflow="fold")
    for one in found["findings"]:
        table.add_row(one["guard"], Text(one["verdict"], style=VERDICTS[one["verdict"]]), _why(one))
    return Group(Text(title, style="italic"), table)


def _why(finding: Row) -> RenderableType:
    """The rule, then what was counted, then what would change the verdict."""
    counted = said(finding["numbers"], finding["interval"])
    return Group(
        Text(finding["rule"]),
        *(Text(line, style="dim") for line in counted),
        Text(f"next: {finding['needed']}", style="dim"),
    )


def record(entries: Rows) -> RenderableType:
    """What happened, in order."""
    table = Table(title="record", title_justify="left", box=None, pad_edge=False)
    for column in ("when", "who", "what", ""):
        table.add_column(column, overflow="fold")
    for one in entries:
        table.add_row(
            _clock(one["at"]),
            one["actor"],
            one["action"],
            Text(_told(one["detail"])),
        )
    return table


def _told(detail: Row) -> str:
    """What an entry says to people; of a command the words, the reason, and the reply where there was one: an
    alert that holds what begins asks for none.
    """
    reason = detail.get("reason") or ""
    if "verb" in detail:
        why, reply = (f" ({reason})" if reason else ""), detail.get("reply")
        return f"{detail['verb']}{why}{f': {reply}' if reply else ''}"
    return str(reason or detail.get("title") or detail.get("cause") or "")


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


STATES = {"stored": "dim", "waiting": "yellow", "done": "green", "dead": "red", "dismissed": "dim"}


def events(found: Rows) -> RenderableType:
    """What came in and was seen, and what became of it."""
    if not found:
        return Text("nothing is like that")
    table = Table(box=None, pad_edge=False)
    for column in ("event", "source", "what", "state", "what became of it", "when"):
        table.add_column(column, no_wrap=column in {"event", "state"}, overflow="fold")
    for one in found:
        led = f" → {', '.join(one['led'])}" if one["led"] else ""
        table.add_row(
            one["id"],
            one["source"],
            Text(one["what"]),
            Text(one["state"], style=STATES[one["state"]]),
            Text((one["text"] or "") + led),
            ago(one["at"]),
        )
    return table


def event(found: Row) -> RenderableType:
    """One event; of a delivery what came in, too."""
    message = found["message"]
    if message is None:
        return events([found["event"]])
    facts = {"sender's id": message["delivery"], "sha256": message["digest"], "bytes": str(message["size"])}
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in (facts | message["headers"]).items():
        table.add_row(Text(name, style="dim"), Text(value))
    parts: list[RenderableType] = [events([found["event"]]), Text(""), table]
    if message["body"] is not None:
        parts += [Text(""), Text(message["body"])]
    return Group(*parts)


def labels(found: Rows) -> RenderableType:
    """What is known of each version's answers."""
    if not found:
        return Text("no label yet: segue add-labels MODEL FILE --table TABLE, or POST /api/v1/labels")
    table = Table(box=None, pad_edge=False)
    for column in ("table", "version", "labels", "wrong", "answered", "last came"):
        table.add_column(column, justify="right" if column in {"labels", "wrong"} else "left")
    for one in sorted(found, key=lambda one: (one["source"], -one["last"])):
        wrong = f"{one['wrong']} ({100 * one['wrong'] / one['labels']:.1f} %)"
        answered = f"{ago(one['first'])} to {ago(one['last'])}"
        version = Text(one["version"] or "unknown")
        table.add_row(one["source"], version, str(one["labels"]), wrong, answered, ago(one["came"]))
    return table
