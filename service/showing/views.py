"""What is shown of releases, targets and versions: plain JSON objects, one function for each.

The API, `--json` and the terminal show these and nothing else, so they are one documented shape.
"""

from typing import Any

from policies import drifting, messages
from policies.approvals import Override
from policies.evidence import Evidence, Finding
from policies.place import Place, served_by
from policies.release import Release, Serving, Target
from policies.strategy import Shadow, Shift, Step
from policies.version import Version
from service.engine.estimating import Estimate
from service.engine.happened import Happened, Message
from service.engine.served import Served
from service.observing.verdicts import Asked
from service.store.record import Entry


def release(shown: Release) -> dict[str, Any]:
    """A release as it stands."""
    return {
        "name": shown.name,
        "number": shown.number,
        "model": shown.model,
        "target": shown.target,
        "version": shown.version,
        "backend": shown.backend,
        "stamp": served_by(shown.backend) if shown.backend else None,
        "image": shown.image or None,
        "phase": shown.phase.value,
        "mode": shown.environment.mode.value,
        "would": shown.would or None,
        "final": shown.final,
        "title": messages.title(shown),
        "reason": shown.reason or None,
        "waits": shown.waits or None,
        "cause": shown.cause.text,
        "author": shown.cause.author,
        "commit": shown.cause.commit,
        "registered": list(shown.cause.registered) if shown.cause.registered else None,
        "steps": [_step(step) for step in shown.steps],
        "position": shown.position,
        "wanted": shown.wanted,
        "observed": shown.observed,
        "peak": shown.peak,
        "epoch": shown.epoch,
        "paused": shown.paused,
        "proven": shown.proven,
        "unproven": list(dict.fromkeys(shown.unproven)),
        "gates": list(shown.gates),
        "metrics": dict(shown.metrics),
        "plan": shown.plan or None,
        "results": shown.asked[-1].evidence if shown.asked else None,
        "approvals": [{"actor": a.actor, "at": a.at} for a in shown.approvals],
        "override": _override(shown.override) if shown.override else None,
        "evidence": evidence(shown.evidence) if shown.evidence else None,
        "began": shown.began,
        "ended": shown.ended,
    }


def evidence(shown: Evidence) -> dict[str, Any]:
    """All guards' findings, and how far they let the weight go."""
    return {
        "verdict": shown.verdict.value,
        "weight": shown.weight,
        "allowed": shown.allowed,
        "share": shown.share,
        "findings": [finding(found) for found in shown.findings],
    }


def finding(shown: Finding) -> dict[str, Any]:
    """One guard: rule, numbers, interval, samples, what would change it."""
    return {
        "guard": shown.guard,
        "verdict": shown.verdict.value,
        "rule": shown.rule,
        "numbers": dict(shown.numbers),
        "interval": list(shown.interval) if shown.interval else None,
        "samples": shown.samples,
        "needed": shown.needed,
    }


def target(shown: Target, address: str | None, waits: str | None = None) -> dict[str, Any]:
    """What a target serves, what is kept warm, who may write its traffic; what handing it back waits for."""
    return {
        "name": shown.name,
        "address": address,
        "epoch": shown.epoch,
        "holder": shown.holder,
        "stable": _serving(shown.stable),
        "previous": _serving(shown.previous),
        "place": _place(shown.place),
        "drift": shown.drift or None,
        "apart": "\n".join(drifting.open_names(shown)) or None,
        "seen": drifting.mark(shown) or None,
        "mending": drifting.following(shown) or None,
        "waits": waits,
    }


def estimate(shown: Estimate | None) -> dict[str, Any] | None:
    """How long a release needs from now, planned by requests."""
    if shown is None:
        return None
    return {
        "text": shown.text,
        "seconds": shown.forecast.seconds,
        "requests": shown.forecast.requests,
        "longest": shown.forecast.longest,
        "rate": shown.traffic.rate,
    }


def verdict(asked: Asked) -> dict[str, Any]:
    """The answer to a tool that shifts traffic itself."""
    one, said = asked.release, asked.said
    seen = one.evidence if one is not None else None
    return {
        "answer": said.answer.value,
        "reason": said.reason,
        "verdict": said.verdict.value,
        "current": said.current,
        "release": one.name if one is not None else None,
        "image": (one.image or None) if one is not None else None,
        "weight": seen.weight if seen else None,
        "allowed": seen.allowed if seen else None,
        "would": (one.would or None) if one is not None else None,
        "findings": [finding(found) for found in seen.findings] if seen else [],
    }


def version(shown: Version) -> dict[str, Any]:
    """A version: where it came from, its image, its numbers."""
    return {
        "key": shown.key,
        "model": shown.model.name,
        "phase": shown.phase.value,
        "reason": shown.reason or None,
        "commit": shown.code.commit if shown.code else None,
        "registered": [shown.registered.name, shown.registered.version] if shown.registered else None,
        "image": shown.image,
        "layers": dict(shown.layers),
        "metrics": dict(shown.metrics),
    }


def entry(shown: Entry) -> dict[str, Any]:
    """A line of the record."""
    return {
        "id": shown.id,
        "at": shown.at,
        "subject": shown.subject,
        "actor": shown.actor,
        "action": shown.action,
        "detail": shown.detail,
        "hash": shown.hash,
    }


def served(shown: Served, share: float) -> dict[str, Any]:
    """A release that had so much of a target's traffic, in percent, and what it is made of."""
    made_of = shown.version
    code = made_of.code if made_of is not None else None
    return {
        "release": shown.release.name,
        "share": share,
        "version": shown.release.version,
        "image": shown.release.image or None,
        "commit": code.commit if code is not None else None,
        "source": code.source if code is not None else None,
        "registered": list(shown.release.cause.registered) if shown.release.cause.registered else None,
        "since": shown.since,
        "until": shown.until,
    }


def event(shown: Happened) -> dict[str, Any]:
    """A delivery, a change at a source, or work: what it was, and what became of it."""
    return {
        "id": shown.id,
        "at": shown.at,
        "source": shown.source,
        "kind": shown.kind,
        "what": shown.what,
        "state": shown.state.value,
        "text": shown.text or None,
        "led": list(shown.led),
        "tries": shown.tries,
        "delivery": shown.delivery,
    }


def message(shown: Message) -> dict[str, Any]:
    """A delivery as it came in."""
    return {
        "headers": dict(shown.headers),
        "delivery": shown.delivery,
        "digest": shown.digest,
        "size": shown.size,
        "body": shown.body,
    }


def _override(given: Override) -> dict[str, Any]:
    return {"actor": given.actor, "reason": given.reason, "at": given.at}


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, Shadow):
        return {"shadow": step.seconds, "guarded": True}
    if isinstance(step, Shift):
        return {"shift": list(step.weights), "dwell": step.dwell, "guarded": step.guarded}
    return {"watch": step.seconds, "guarded": step.guarded}


def _place(shown: Place) -> dict[str, Any] | None:
    """Where it serves; None: on this machine."""
    if shown.cluster is None:
        return None
    return {
        "cluster": shown.cluster,
        "namespace": shown.namespace,
        "deployment": shown.deployment,
        "route": shown.route,
        "services": [shown.stable, shown.candidate] if shown.watched else None,
    }


def _serving(shown: Serving | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    return {
        "release": shown.release or None,
        "version": shown.version or None,
        "image": shown.image,
        "backend": shown.backend,
        "stamp": served_by(shown.backend) if shown.backend else None,
        "url": shown.url,
        "since": shown.since,
        "registered": list(shown.registered) if shown.registered else None,
        "adopted": shown.adopted or None,
    }
