"""What a report says in words: one sentence for the whole, and numbers as people read them. No I/O."""

from typing import Any

from policies.release import Phase, Release


def sentence(release: Release, found: dict[str, Any]) -> str:
    """The verdict, with the numbers behind it."""
    seen = _seen(found)
    if release.would:
        return f"Only watched; Segue {release.would}. {_upper(seen)}"
    match release.phase:
        case Phase.PROMOTED if release.proven:
            return f"Promoted, with evidence: {seen}"
        case Phase.PROMOTED:
            why = "; ".join(dict.fromkeys(release.unproven))
            return f"Promoted, not proven ({why}): {seen}"
        case Phase.ROLLED_BACK:
            rules = [f"{g['guard']}: {g['rule']}" for g in found["guards"] if g["verdict"] == "harm"]
            why = "; ".join(rules) or release.reason
            return f"Rolled back from {release.peak:g} %. Broken rule of the guard {why}. {_upper(seen)}"
        case _ if release.final:
            why = f" ({release.reason})" if release.reason else ""
            return f"Ended as {release.phase.value}{why}: {seen}"
        case _:
            return f"On its way, at {release.observed:g} %: {seen}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _seen(found: dict[str, Any]) -> str:
    """What the candidate served, and what it cost."""
    cost = found["cost"]
    if not cost["requests"]:
        return "no request of a user reached the new version while it was watched."
    counted = f"{many(cost['requests'])} requests reached the new version, {many(cost['failed'])} failed"
    if cost["expected"] is None:
        return f"{counted}. There was no version before it to compare with."
    return f"{counted}; the version before would have failed about {many(cost['expected'])} of them."


def many(count: float) -> str:
    """A count, with thousands apart; a small one with its tenths where it has some."""
    return f"{count:,.1f}".removesuffix(".0") if abs(count) < 10 else f"{count:,.0f}"


def give_or_take(count: float, room: float) -> str:
    """A difference with what chance explains of it: 12 ± 3."""
    return f"{count:,.0f} ± {room:,.0f}".replace("-0 ", "0 ")


def share(rate: float) -> str:
    """A share of requests, short."""
    return f"{rate * 100:.3g} %"


def times(evidence: float) -> str:
    """How many times more likely: 100, 1.5, 0.02; large ones in words."""
    if evidence >= 1e12:
        return "over 10^12"
    if evidence >= 1e6:
        return f"{evidence:.1e}"
    return f"{evidence:,.0f}" if evidence >= 10 else f"{evidence:.2g}"


def span(seconds: float) -> str:
    """A time in words: 40 s, 12 min, 3.5 h, 2 d."""
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"
