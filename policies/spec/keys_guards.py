"""The keys of guards: what is watched while traffic shifts, and after."""

from policies.spec import amounts, forms
from policies.spec.kinds import Block, Key, Many, Named, OneOf, Plain, Section

_LABELS = Many(Plain(forms.SEGMENT), 3, single=True)
_SEGMENTS = OneOf((Plain(forms.SEGMENT), Many(Plain(forms.SEGMENT), 3), Block(Section.SEGMENTS)))
_OWN_GUARD = OneOf((Plain(forms.OFF), Block(Section.GUARD)))
_WORSE = Plain(amounts.GROWTH)


def _or_off(section: Section) -> OneOf:
    return OneOf((Plain(forms.OFF), Block(section)))


ROWS: tuple[Key, ...] = (
    Key(
        "guards",
        (Section.MODEL, Section.ENVIRONMENT),
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
        OneOf(
            (
                Plain(forms.word("history")),
                Plain(amounts.share("a share above 0% up to 50%", most=50, zero=False)),
            )
        ),
        "Absolute limit on the share of slow requests; `history` takes it from stable's own past, for when"
        " all traffic has moved. With `slower_than`.",
        note="no limit",
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
        "threshold",
        (Section.GUARD,),
        Plain(amounts.share("a share up to 50%", most=50)),
        "Plain limit on the share of failed requests in a minute, as Argo Rollouts and Flagger have it: the"
        " fifth minute above it is harm. It has no error guarantee.",
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
