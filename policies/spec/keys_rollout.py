"""The keys of a rollout: environments, the ramp, approvals and guards."""

from policies.spec import amounts, forms
from policies.spec.kinds import Block, Key, Many, Named, OneOf, Plain, Section

_ROLLOUT = (Section.MODEL, Section.ENVIRONMENT)
_LABELS = Many(Plain(forms.SEGMENT), 3, single=True)
_SEGMENTS = OneOf((Plain(forms.SEGMENT), Many(Plain(forms.SEGMENT), 3), Block(Section.SEGMENTS)))
_OWN_GUARD = OneOf((Plain(forms.OFF), Block(Section.GUARD)))


def _or_off(section: Section) -> OneOf:
    return OneOf((Plain(forms.OFF), Block(section)))


_ROLL = (
    Key(
        "environments",
        (Section.MODEL,),
        Named(Block(Section.ENVIRONMENT), forms.NAME, 20),
        "Places to serve, by name, each with rules of its own laid over the model's.",
        note="one, named `production`",
        merges=True,
    ),
    Key(
        "cluster",
        (Section.ENVIRONMENT,),
        Plain(forms.NAME),
        "The cluster, as `segue cluster` named it.",
        note="this machine",
    ),
    Key(
        "after",
        (Section.ENVIRONMENT,),
        Plain(forms.NAME),
        "Only once this environment is promoted.",
        note="at once",
    ),
    Key(
        "strategy",
        _ROLLOUT,
        Plain(forms.word("canary", "bluegreen", "shadow", "none")),
        "How traffic goes over.",
        "canary",
    ),
    Key(
        "steps",
        _ROLLOUT,
        Many(OneOf((Plain(amounts.WEIGHT), Block(Section.STEP))), 50),
        "Fixed weights instead of the risk-budget ramp; each still waits for evidence.",
        note="the ramp",
    ),
    Key(
        "shadow",
        _ROLLOUT,
        Block(Section.SHADOW),
        "How requests are copied before any user sees the candidate. With `strategy: shadow`.",
        note="10 minutes, whole answers",
        merges=True,
    ),
    Key(
        "for", (Section.SHADOW,), Plain(amounts.DURATION), "Requests are copied for at least so long.", "10m"
    ),
    Key(
        "answer",
        (Section.SHADOW,),
        Plain(forms.JSON_PATH),
        "Where an answer's class is, in its JSON.",
        note="the whole answer",
    ),
    Key(
        "score",
        (Section.SHADOW,),
        Plain(forms.JSON_PATH),
        "Where an answer's score is: how both versions' scores are distributed is shown.",
    ),
    Key(
        "keep",
        (Section.SHADOW,),
        Plain(forms.word("off", "hashed", "answers", json={"enum": ["off", False, "hashed", "answers"]})),
        "What is kept of each answer until the release has ended: nothing, a keyed digest, or the answer.",
        "hashed",
    ),
    Key(
        "sample",
        (Section.SHADOW,),
        Plain(amounts.SHARE),
        "Of how many pairs the bodies are kept for a day, for people to look at.",
        "0%",
    ),
    Key(
        "requests",
        (Section.SHADOW,),
        Plain(forms.NAME),
        "Recorded requests that are asked of both versions, too: `requests/NAME.jsonl` of `SEGUE_HOME`.",
    ),
    Key(
        "rate",
        (Section.SHADOW,),
        Plain(forms.number("requests a second, such as 20", 0.01, 500)),
        "How many recorded requests are asked a second. With `requests`.",
        "10",
    ),
    Key("weight", (Section.STEP,), Plain(amounts.WEIGHT), "The candidate's share of requests."),
    Key(
        "hold",
        (Section.STEP,),
        OneOf((Plain(forms.word("promote")), Plain(amounts.DURATION))),
        "The least time at this weight; `promote` waits for that command.",
        note="`dwell`",
    ),
    Key(
        "ladder",
        _ROLLOUT,
        Many(Plain(amounts.WEIGHT), 50),
        "The weights that the ramp may use.",
        note="1, 2, 3, 5, 7.5, 10, 15, 20, 25, 35, 50, 75, 100%",
    ),
    Key(
        "sticky",
        _ROLLOUT,
        Plain(forms.word("none", "cookie", "header")),
        "What keeps one user on one version.",
        "none",
    ),
    Key("dwell", _ROLLOUT, Plain(amounts.DURATION), "The least time at each weight.", "60s"),
    Key(
        "warm_up",
        _ROLLOUT,
        Plain(amounts.DURATION),
        "How long from its first request a version may be cold: only a storm of errors takes it back.",
        note="5m with a canary, else 0s",
    ),
    Key(
        "watch",
        _ROLLOUT,
        Plain(amounts.DURATION),
        "How long all traffic is watched before it counts as promoted.",
        "5m",
    ),
    Key(
        "held_back",
        _ROLLOUT,
        Plain(amounts.share("a share up to 50%", most=50)),
        "The share of requests that stays on stable while the rest is watched.",
        "0%",
    ),
    Key(
        "risk",
        _ROLLOUT,
        Plain(amounts.share("a share above 0%", zero=False)),
        "The share of all requests that may fail because of the candidate.",
        note="the larger of 0.1% and half of stable's error rate",
    ),
    Key(
        "false_rollbacks",
        _ROLLOUT,
        Plain(amounts.share("a share above 0% up to 20%", most=20, zero=False)),
        "How often a good version may be rolled back, all guards and looks together.",
        "1%",
    ),
    Key("patience", _ROLLOUT, Plain(amounts.DURATION), "How long to wait at one weight for evidence.", "30m"),
    Key(
        "when_undecided",
        _ROLLOUT,
        Plain(forms.word("hold", "ask", "finish")),
        "When `patience` is over: `hold`, `ask` people, or `finish` and call it *not proven*.",
        "hold",
    ),
    Key(
        "when_newer",
        _ROLLOUT,
        Plain(forms.word("latest-wins", "serialize", "cancel-running")),
        "While an older version is on its way, a newer one waits for it, and of those that wait the newest is"
        " next; waits for each older one; or ends it.",
        "latest-wins",
    ),
    Key(
        "when_drifted",
        _ROLLOUT,
        Plain(forms.word("hold", "repair", "adopt")),
        "Once somebody else changed what serves while no release is on its way: `hold` leaves it to people;"
        " `repair` writes once more what Segue decided; `adopt` takes it for right, and *not proven*.",
        "hold",
    ),
    Key(
        "mode",
        _ROLLOUT,
        Plain(forms.word("act", "observe")),
        "`observe`: everything is judged and shown, nothing is changed.",
        "act",
    ),
    Key(
        "restore",
        _ROLLOUT,
        Plain(forms.TRUTH),
        "A rollback puts back the alias that people moved. With `model`.",
        "false",
    ),
    Key(
        "approvals",
        _ROLLOUT,
        Block(Section.APPROVALS),
        "Who must say yes before any traffic.",
        note="nobody",
        merges=True,
    ),
    Key(
        "freeze",
        _ROLLOUT,
        Many(Plain(forms.WINDOW), 50, single=True),
        "Times at which nothing begins or gets more traffic. Going back never waits.",
        note="never",
    ),
    Key(
        "budget",
        _ROLLOUT,
        Block(Section.BUDGET),
        "An error budget; while it is spent nothing begins or gets more traffic. Going back never waits.",
        note="none",
        merges=True,
    ),
    Key(
        "query",
        (Section.BUDGET,),
        Plain(forms.QUERY),
        "A gauge of a Prometheus that says what is left of the budget, 1 for all of it.",
    ),
    Key(
        "from",
        (Section.BUDGET,),
        Plain(forms.SOURCE),
        "The Prometheus, as `segue connect` named it.",
        note="the only metric source",
    ),
    Key("least", (Section.BUDGET,), Plain(amounts.SHARE), "Held while so much, or less, is left.", "0%"),
    Key(
        "tell",
        _ROLLOUT,
        Many(Plain(forms.CHANNEL), 20, single=True),
        "Rooms of chats that are told how a release goes, and asked nothing.",
        note="nowhere",
    ),
    Key(
        "count",
        (Section.APPROVALS,),
        Plain(forms.whole("a number of people", 0, 20)),
        "How many different people; never the author.",
        "1",
    ),
    Key(
        "from",
        (Section.APPROVALS,),
        Many(Plain(forms.PERSON), 100, single=True),
        "Who may: people, or groups and roles, which begin with `@`.",
        note="anyone with the right to approve",
    ),
    Key(
        "in",
        (Section.APPROVALS,),
        Plain(forms.CHANNEL),
        "Where to ask.",
        note="the page and the command line",
    ),
    Key("expires", (Section.APPROVALS,), Plain(amounts.DURATION), "An approval counts this long.", "24h"),
)

_WORSE = Plain(amounts.GROWTH)
_GUARDS = (
    Key(
        "guards",
        _ROLLOUT,
        Named(_OWN_GUARD, forms.GUARD, 40, Section.GUARDS),
        "What is watched while traffic shifts, and after. The usual ones stay unless they are `off`.",
        note="`errors`, `slo`, `alive`, `share`",
        merges=True,
    ),
    Key(
        "errors",
        (Section.GUARDS,),
        _or_off(Section.ERRORS),
        "Failed requests against stable's, by the router's counters.",
        note="on",
    ),
    Key(
        "slo",
        (Section.GUARDS,),
        OneOf(
            (
                Plain(forms.word("history", "off", json={"enum": ["history", "off", False]})),
                Plain(amounts.SHARE),
            )
        ),
        "Absolute limit on the share of failed requests; `history` takes it from stable's own past.",
        note="`history`",
    ),
    Key(
        "latency",
        (Section.GUARDS,),
        _or_off(Section.LATENCY),
        "Durations against stable's: all of them, or requests slower than a bound.",
        note="off",
    ),
    Key(
        "alive",
        (Section.GUARDS,),
        _or_off(Section.ALIVE),
        "The candidate answers, its counters come, it does not restart.",
        note="on",
    ),
    Key(
        "share",
        (Section.GUARDS,),
        _or_off(Section.SHARE),
        "The router really splits as it was told.",
        note="on",
    ),
    Key(
        "slower_than",
        (Section.LATENCY,),
        Plain(amounts.DURATION),
        "Only requests that take longer are bad. Must be a bucket of the router's histogram.",
        note="all durations are compared",
    ),
    Key(
        "slo",
        (Section.LATENCY,),
        OneOf((Plain(forms.word("history")), Plain(amounts.SHARE))),
        "Absolute limit on the share of slow requests. With `slower_than`.",
        note="`history`",
    ),
    Key("worse_by", (Section.ERRORS,), _WORSE, "Tolerated relative growth over stable's share.", "0%"),
    Key(
        "calls",
        (Section.ERRORS,),
        Plain(forms.word("grpc")),
        "Failed calls are counted by the model itself, and `slo` with them: routers take a call of gRPC that"
        " fails for a success.",
        note="by the router",
    ),
    Key(
        "worse_by",
        (Section.LATENCY,),
        _WORSE,
        "Tolerated growth over stable's share of slow requests; without `slower_than`, of durations.",
        "0%",
    ),
    Key(
        "no_data_for",
        (Section.ALIVE,),
        Plain(amounts.DURATION),
        "Counters missing for so long is harm.",
        "60s",
    ),
    Key(
        "restarts",
        (Section.ALIVE,),
        Plain(forms.whole("a number of restarts", 0, 1000)),
        "More restarts than this are harm.",
        "2",
    ),
    Key(
        "answers",
        (Section.GUARDS,),
        _or_off(Section.ANSWERS),
        "How often both versions answer one request differently. With `strategy: shadow`.",
        note="off",
    ),
    Key(
        "differ",
        (Section.ANSWERS,),
        Plain(amounts.share("a share above 0%", zero=False)),
        "Tolerated share of answers that differ.",
        note="any",
    ),
    Key(
        "flips",
        (Section.ANSWERS,),
        Plain(amounts.share("a share above 0%", zero=False)),
        "Tolerated share of any one class of stable's that gets another answer.",
        note="any",
    ),
    Key("tolerance", (Section.SHARE,), Plain(amounts.SHARE), "Tolerated difference, of all requests.", "5%"),
    Key(
        "query",
        (Section.GUARD,),
        Plain(forms.QUERY),
        "A counter of bad things (with `drop`: of good ones), or a histogram's `…_bucket`; with one of `slo`,"
        " `worse_by`, `drop`, `drift`.",
    ),
    Key("of", (Section.GUARD,), Plain(forms.QUERY), "The counter of all things. With `query`."),
    Key(
        "from",
        (Section.GUARD, Section.ERRORS),
        Plain(forms.SOURCE),
        "The metric source, as `segue connect` named it. With `query` or `calls`.",
        note="the only one",
    ),
    Key(
        "version",
        (Section.GUARD, Section.ERRORS),
        Plain(forms.SEGMENT),
        "The counters' label that names the version. With `query` or `calls`.",
        note="`version`",
    ),
    Key(
        "labels",
        (Section.GUARD,),
        Plain(forms.LABELS),
        "True labels that come later: source and table; with `within` and `drop`.",
    ),
    Key(
        "slo", (Section.GUARD,), Plain(amounts.LIMIT), "Absolute limit on the share `query` of `of`: `<= 5%`."
    ),
    Key("worse_by", (Section.GUARD,), _WORSE, "Tolerated relative growth over stable, where less is better."),
    Key(
        "drop", (Section.GUARD,), Plain(amounts.SHARE), "Tolerated loss against stable, where more is better."
    ),
    Key(
        "drift",
        (Section.GUARD,),
        Plain(forms.word("show")),
        "Whether the buckets of a histogram differ from stable's: shown as advice, nothing follows from it.",
    ),
    Key(
        "by",
        (Section.GUARD,),
        Plain(forms.word("version", "request")),
        "What a label's row names: the version that answered, or the request alone, whose version the"
        " recorder notes. With `labels`.",
        note="`version`",
    ),
    Key("within", (Section.GUARD,), Plain(amounts.DURATION), "How late a label may come and still count."),
    Key(
        "segments",
        (Section.ERRORS, Section.LATENCY, Section.GUARD),
        _SEGMENTS,
        "Judge also within each value of these labels.",
        note="all together",
    ),
    Key("by", (Section.SEGMENTS,), _LABELS, "The labels."),
    Key(
        "most",
        (Section.SEGMENTS,),
        Plain(forms.whole("a number of values", 1, 50)),
        "So many values of each label are judged by themselves, the others together.",
        "10",
    ),
    Key(
        "least",
        (Section.SEGMENTS,),
        Plain(amounts.share("a share up to 50%", most=50)),
        "A value with a smaller share of the requests is judged with the others.",
        "1%",
    ),
    Key(
        "risk",
        (Section.SEGMENTS,),
        Plain(amounts.share("a share above 0%", zero=False)),
        "The share of one value's own requests that may fail because of the candidate.",
        "1%",
    ),
)

ROWS: tuple[Key, ...] = (*_ROLL, *_GUARDS)
