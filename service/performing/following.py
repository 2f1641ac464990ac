"""Looks at what somebody else lets serve, until it is news. Nothing is changed."""

from typing import Literal

from policies.effects import Follow
from policies.events import Seen
from service.bootstrap import Parts
from service.performing.outcomes import Again, Done
from service.ports.others import Behind, all_run
from service.ports.outcomes import Refused, Retry

LOOK_SECONDS = 3.0  # a few calls of a server that everybody shares
GONE_SECONDS = 15.0  # pods are replaced; and a Service is led to and fro for a while where one ends a rollout


def follow(parts: Parts, effect: Follow, now: float, since: float) -> Done | Again:
    """What runs there, once it is something else than is known; raises `Retry` while that cannot be seen."""
    others = parts.at(effect.place).others
    if others is None:
        raise Refused("what serves there is not somebody else's to shift: see `mode: observe`")
    try:
        behind = others.look()
    except Refused as reason:  # what is not there may be made yet
        raise Retry(str(reason), after=LOOK_SECONDS) from None
    what = _what(behind, effect.image)
    if what == effect.known or (what == "gone" and effect.known == "nothing"):
        if effect.known == "gone" and now - since >= GONE_SECONDS:
            return Done(Seen(effect.step, "gone", now))
        return Again(LOOK_SECONDS, _why(effect) if effect.known == "nothing" else "")
    return Done(Seen(effect.step, what, now))


def _what(behind: Behind, image: str) -> Literal["candidate", "stable", "gone"]:
    if all_run((pod for pod in behind.stable if pod.ready), image):
        return "stable"
    return "candidate" if any(pod.runs(image) for pod in behind.candidate) else "gone"


def _why(effect: Follow) -> str:
    place = effect.place
    return (
        f"no pod behind {place.namespace}/{place.candidate} runs {effect.image.rpartition('@')[2][:19]} yet"
    )
