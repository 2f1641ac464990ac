"""What the API answers of releases, of targets and what they serve, and of what judges them."""

from collections.abc import Mapping

from policies.asking import Answer
from policies.evidence import Verdict
from policies.release import Phase
from policies.spec.declaration import Mode
from policies.version import VersionPhase
from service.openapi.schema import (
    COUNT,
    NUMBER,
    PERCENT,
    TEXT,
    TIME,
    YES,
    Schema,
    among,
    by_name,
    many,
    maybe,
    of,
    ref,
)

PAIR = many(TEXT, minItems=2, maxItems=2)
RANGE = many(NUMBER, minItems=2, maxItems=2)
POINTS = many(many(NUMBER))
FINDING = {
    "guard": TEXT,
    "verdict": among(Verdict),
    "rule": TEXT,
    "numbers": by_name(NUMBER),
    "interval": maybe(RANGE),
    "samples": COUNT,
    "needed": TEXT,
}
LIKELY = of(share=NUMBER, low=NUMBER, high=NUMBER)  # a share with its 95 % interval
MOSTLY = of(median=maybe(NUMBER), nine_in_ten=maybe(NUMBER))
STEP: Schema = {
    "anyOf": [
        of(shadow=NUMBER, guarded=YES),
        of(shift=many(NUMBER), dwell=maybe(NUMBER), guarded=YES),
        of(watch=NUMBER, guarded=YES),
    ]
}

SHAPES: Mapping[str, Schema] = {
    "finding": of(**FINDING),
    "evidence": of(
        verdict=among(Verdict),
        weight=NUMBER,
        allowed=NUMBER,
        share=maybe(NUMBER),
        findings=many(ref("finding")),
    ),
    "release": of(
        name=TEXT,
        number=COUNT,
        model=TEXT,
        target=TEXT,
        version=TEXT,
        backend=TEXT,
        stamp=maybe(TEXT),
        image=maybe(TEXT),
        phase=among(Phase),
        mode=among(Mode),
        would=maybe(TEXT),
        final=YES,
        title=TEXT,
        reason=maybe(TEXT),
        waits=maybe(TEXT),
        cause=TEXT,
        author=maybe(TEXT),
        commit=maybe(TEXT),
        registered=maybe(PAIR),
        steps=many(STEP),
        position=COUNT,
        wanted=NUMBER,
        observed=NUMBER,
        peak=NUMBER,
        epoch=COUNT,
        paused=YES,
        proven=YES,
        unproven=many(TEXT),
        gates=many(TEXT),
        metrics=by_name(NUMBER),
        plan=maybe(TEXT),
        results=maybe(TEXT),
        approvals=many(of(actor=TEXT, at=TIME)),
        override=maybe(of(actor=TEXT, reason=TEXT, at=TIME)),
        evidence=maybe(ref("evidence")),
        began=maybe(TIME),
        ended=maybe(TIME),
    ),
    "estimate": of(
        text=TEXT, seconds=maybe(NUMBER), requests=maybe(NUMBER), longest=maybe(NUMBER), rate=maybe(NUMBER)
    ),
    "version": of(
        key=TEXT,
        model=TEXT,
        phase=among(VersionPhase),
        reason=maybe(TEXT),
        commit=maybe(TEXT),
        registered=maybe(PAIR),
        image=maybe(TEXT),
        layers=by_name(TEXT),
        metrics=by_name(NUMBER),
    ),
    "parked": of(id=COUNT, kind=TEXT, subject=TEXT, reason=TEXT, at=maybe(TIME), again=maybe(TEXT)),
    "report": of(
        sentence=TEXT,
        release=ref("release"),
        began=maybe(TIME),
        ended=maybe(TIME),
        weights=POINTS,
        gaps=many(of(**{"from": TIME, "to": TIME, "intervals": COUNT, "reason": TEXT})),
        budget=of(false_rollbacks=NUMBER, harm_at=NUMBER, hold_at=NUMBER, points=POINTS),
        guards=many(of(**FINDING, evidence=POINTS, rates=maybe(of(candidate=POINTS, stable=POINTS)))),
        latency=maybe(of(bounds=many(NUMBER), candidate=many(NUMBER), stable=many(NUMBER))),
        cost=of(
            requests=NUMBER,
            failed=NUMBER,
            stable_rate=maybe(NUMBER),
            expected=maybe(NUMBER),
            points=POINTS,
        ),
    ),
    "verdict": of(
        answer=among(Answer),
        reason=TEXT,
        verdict=among(Verdict),
        current=YES,
        release=maybe(TEXT),
        image=maybe(TEXT),
        weight=maybe(NUMBER),
        allowed=maybe(NUMBER),
        would=maybe(TEXT),
        findings=many(ref("finding")),
    ),
    "serving": of(
        release=maybe(TEXT),
        version=maybe(TEXT),
        image=TEXT,
        backend=TEXT,
        stamp=maybe(TEXT),
        url=TEXT,
        since=TIME,
        registered=maybe(PAIR),
        adopted=maybe(TEXT),
    ),
    "target": of(
        name=TEXT,
        address=maybe(TEXT),
        epoch=COUNT,
        holder=maybe(TEXT),
        stable=maybe(ref("serving")),
        previous=maybe(ref("serving")),
        place=maybe(
            of(
                cluster=TEXT,
                namespace=maybe(TEXT),
                deployment=maybe(TEXT),
                route=maybe(TEXT),
                services=maybe(many(maybe(TEXT), minItems=2, maxItems=2)),
            )
        ),
        drift=maybe(TEXT),
        apart=maybe(TEXT),
        seen=maybe(TEXT),
        mending=maybe(TEXT),
        waits=maybe(TEXT),
    ),
    "served": of(
        release=TEXT,
        share=PERCENT,
        version=TEXT,
        image=maybe(TEXT),
        commit=maybe(TEXT),
        source=maybe(TEXT),
        registered=maybe(many(TEXT, minItems=2, maxItems=2)),
        since=maybe(TIME),
        until=maybe(TIME),
    ),
    "simulation": of(
        title=TEXT, seed=COUNT, left_out=many(TEXT), coarse=many(ref("coarse")), kinds=many(ref("forecast"))
    ),
    "coarse": of(guard=TEXT, at=NUMBER, unseen=maybe(NUMBER), missing=many(NUMBER), text=TEXT),
    "forecast": of(
        kind=TEXT,
        good=YES,
        runs=COUNT,
        every=NUMBER,
        simulated_seconds=NUMBER,
        **dict.fromkeys(("rolled_back", "promoted", "undecided", "not_proven"), LIKELY),
        **dict.fromkeys(("seconds_to_100", "seconds_to_rollback", "seconds_to_promotion"), MOSTLY),
        **dict.fromkeys(("requests", "failed", "failed_beyond_stable"), MOSTLY),
    ),
}
