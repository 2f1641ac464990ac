"""Everything said to people about a release, as functions that return text."""

from policies.evidence import Finding
from policies.release import Phase, Release

_TITLES = {
    Phase.PENDING: "is being built and evaluated",
    Phase.APPROVAL: "waits for approval",
    Phase.QUEUED: "waits for its turn",
    Phase.STARTING: "is starting",
    Phase.CHECKING: "is being checked before any user sees it",
    Phase.SHADOWING: "answers copies of requests, which no user sees",
    Phase.SHIFTING: "takes traffic",
    Phase.WATCHING: "serves all traffic and is being watched",
    Phase.RESTORING: "is being taken back",
    Phase.PROMOTED: "is promoted",
    Phase.ROLLED_BACK: "was rolled back",
    Phase.ABORTED: "was aborted",
    Phase.REJECTED: "was rejected",
    Phase.REFUSED: "was refused by a gate",
    Phase.FAILED: "failed",
    Phase.SUPERSEDED: "was superseded",
    Phase.ALREADY_THERE: "serves already",
}

_WATCHED = {
    Phase.STARTING: "waits until somebody sends it requests",
    Phase.SHIFTING: "takes traffic from somebody else",
    Phase.WATCHING: "has all the traffic",
    Phase.PROMOTED: "was promoted by somebody else",
    Phase.ROLLED_BACK: "was taken back by somebody else",
}


def standing(release: Release) -> str:
    """How it stands, as the rest of a sentence that begins with it."""
    return _TITLES[release.phase]


def title(release: Release) -> str:
    """One line: which release, where, how it stands."""
    if release.only_watched:
        return _title_watched(release)
    line = f"{release.name} on {release.target} {standing(release)}"
    if release.phase is Phase.SHIFTING:
        line += f": {release.observed:g} % of requests, {release.wanted:g} % wanted"
    if release.phase is Phase.WATCHING and release.observed < 100:
        line = f"{release.name} on {release.target} serves {release.observed:g} % and is being watched"
    if release.phase is Phase.PROMOTED and not release.proven:
        line += " (not proven)"
    if release.override is not None:
        line += f" (rules overridden by {release.override.actor})"
    return line


def _title_watched(release: Release) -> str:
    """The same of a release for which nothing is changed."""
    words = _TITLES if release.batch else _TITLES | _WATCHED
    line = f"only watching: {release.name} on {release.target} {words[release.phase]}"
    if release.phase is Phase.PROMOTED and release.batch:
        line = f"only watching: {release.name} on {release.target} would be promoted"
    if release.phase is Phase.SHIFTING:
        line += f": {release.observed:g} % of requests"
    return f"{line}; {release.would}" if release.would else line


def explanation(release: Release, *, asks: bool = True) -> str:
    """The reason, the gates and the evidence, a line each; and how to approve, where that is asked."""
    lines = [f"cause: {release.cause.text}"]
    if release.reason:
        lines.append(f"reason: {release.reason}")
    if release.override is not None:
        lines.append(f"rules overridden: by {release.override.actor}: {release.override.reason}")
    if release.waits:
        lines.append(f"waits: {release.waits}")
    if release.would:
        lines.append(f"only watching: Segue {release.would}")
    lines += [f"gate: {line}" for line in release.gates]
    if release.final and release.phase is Phase.PROMOTED:
        lines.append(f"proof: {proof(release)}")
    if release.evidence is not None:
        lines += [f"guard: {finding(f)}" for f in release.evidence.findings]
    if asks and release.phase is Phase.APPROVAL:
        if release.asked:
            lines.append(f"evidence: {release.asked[-1].evidence[:19]}, which the plan's digest covers")
        lines.append(f"to approve: /segue approve {release.name} {release.plan[:19]}")
    return "\n".join(lines)


def proof(release: Release) -> str:
    """Whether the evidence stood behind it, and what was missing."""
    if release.proven:
        return "proven by its guards"
    return "not proven: " + "; ".join(dict.fromkeys(release.unproven))


def finding(found: Finding) -> str:
    """One guard's verdict: rule, numbers, interval, samples, what would change it."""
    numbers = ", ".join(f"{name} {value:.6g}" for name, value in found.numbers)
    text = f"{found.guard}: {found.verdict.value} ({found.rule}; {numbers}; {found.samples} requests"
    if found.interval is not None:
        text += f"; between {found.interval[0]:.4g} and {found.interval[1]:.4g}"
    text += ")"
    return f"{text}; {found.needed}" if found.needed else text
