"""What a guard counted, as people say it; the same words on the command line and on a page."""

from collections.abc import Mapping

Numbers = Mapping[str, float]


def said(numbers: Numbers, interval: tuple[float, float] | None) -> list[str]:
    """The numbers of a finding in lines for people; what no phrase knows is shown by its name.

    `numbers` and `interval` are a finding's (docs/reference/guards.md). Where both versions are compared by a
    ratio, the interval is of the ratio; elsewhere it is of a share of requests or answers.
    """
    left = dict(numbers)
    lines = [phrase for phrase in (_bad(left, interval), _wrong(left, interval), _risk(left)) if phrase]
    lines += [phrase for phrase in (_bound(left), _pairs(left), _split(left), _silence(left)) if phrase]
    lines += [phrase for phrase in (_evidence(left), _noise(left)) if phrase]
    rest = ", ".join(f"{name.replace('_', ' ')} {value:,.4g}" for name, value in left.items())
    return lines + ([rest] if rest else [])


def _bad(left: dict[str, float], interval: tuple[float, float] | None) -> str:
    if "bad" not in left or "requests" not in left:
        return ""
    slower = left.pop("slower_than", 0.0)
    what = f"slower than {slower:g} s" if slower else "bad"
    told = f"{_part(left.pop('bad'), left.pop('requests'))} {what}"
    if not {"stable_bad", "stable_requests"} <= left.keys():
        limit = left.pop("limit", None)
        most = left.pop("at_most", None)
        told += f", at most {_percent(most)} in truth" if most is not None else ""
        return told + (f"; the limit is {_percent(limit)}" if limit is not None else "")
    told += f"; stable: {_part(left.pop('stable_bad'), left.pop('stable_requests'))}"
    return told + (f"; {interval[0]:.3g} to {interval[1]:.3g} times as often" if interval else "")


def _bound(left: dict[str, float]) -> str:
    """Of a share that is drawn elsewhere: what it may be in truth, and what it may be at all."""
    if not {"at_most", "limit"} <= left.keys():
        return ""
    return f"at most {_percent(left.pop('at_most'))} in truth; the limit is {_percent(left.pop('limit'))}"


def _wrong(left: dict[str, float], interval: tuple[float, float] | None) -> str:
    if not {"wrong", "labels", "stable_wrong", "stable_labels"} <= left.keys():
        return ""
    told = f"{_part(left.pop('wrong'), left.pop('labels'))} wrong"
    told += f"; stable: {_part(left.pop('stable_wrong'), left.pop('stable_labels'))}"
    if interval:
        told += f"; {_percent(interval[0])} to {_percent(interval[1])} of all more"
    waiting = left.pop("waiting", 0.0)
    return told + (f"; {waiting:,.0f} labels wait" if waiting else "")


def _risk(left: dict[str, float]) -> str:
    if not {"failed", "requests", "excess_at_most"} <= left.keys():
        return ""
    failed, excess = _part(left.pop("failed"), left.pop("requests")), left.pop("excess_at_most")
    left.pop("allowed", None)  # the sentence of what would change the verdict says it
    return f"{failed} failed, at most {_percent(excess)} more than stable's"


def _pairs(left: dict[str, float]) -> str:
    """Of the same requests to both versions."""
    if {"only_candidate", "only_stable"} <= left.keys():
        mine, theirs = left.pop("only_candidate"), left.pop("only_stable")
        return f"{mine:,.0f} of the candidate's alone, {theirs:,.0f} of stable's alone"
    if "pairs" in left and "lost" in left:
        return f"{left.pop('pairs'):,.0f} pairs, {left.pop('lost'):,.0f} copies lost"
    return ""


def _split(left: dict[str, float]) -> str:
    if not {"requests", "all_requests"} <= left.keys():
        return ""
    told = _part(left.pop("requests"), left.pop("all_requests"))
    left.pop("share", None)
    return f"{told} reached the candidate"


def _silence(left: dict[str, float]) -> str:
    if not {"seconds_without_answer", "seconds_without_data", "restarts"} <= left.keys():
        return ""
    silent = max(left.pop("seconds_without_answer"), left.pop("seconds_without_data"))
    restarts = left.pop("restarts")
    told = f"silent for {silent:.0f} s" if silent else "answers"
    return f"{told}, {restarts:.0f} restarts"


def _evidence(left: dict[str, float]) -> str:
    if "evidence" not in left:
        return ""
    left.pop("p_value", None)  # for programs; people get the evidence and its limit
    harm = left.pop("harm_at", None)
    told = f"evidence against it {left.pop('evidence'):,.3g}"
    return told + (f", harm at {harm:,.3g}" if harm is not None else "")


def _noise(left: dict[str, float]) -> str:
    if "burst" not in left or "spread" not in left:
        return ""
    return f"noise reckoned with: bursts of {left.pop('burst'):.3g}, spread {left.pop('spread'):.3g}"


def _part(some: float, of_all: float) -> str:
    share = f" ({_percent(some / of_all)})" if of_all else ""
    return f"{some:,.0f} of {of_all:,.0f}{share}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
