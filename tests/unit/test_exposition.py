"""A page of counters read by histogram says what it says read line by line."""

import math
import random
import tracemalloc

import pytest

from service.adapters import exposition
from service.adapters.exposition import Names, Series, Strange
from service.adapters.tally import Tally, unasked

NAMES = Names("asked_total", "took_bucket")
STARTED = "process_start_time_seconds 1.7e+09\n"
BOUNDS = ("0.1", "1", "1.0", "+Inf")
# Values with what could be taken for a bound's label.
VALUES = ("a", 'b\\",le=\\"1', "{le=", ",le=", "le=1,", "c\\\\", "", "d e", "x,le=\\n")
LABELS = ("code", "path", "role", "file", "zone")


def page(chance: random.Random) -> str:
    """Histograms by several labels, in a new order of labels and lines each time."""
    lines: list[str] = []
    names = chance.sample(LABELS, chance.randint(0, 3))
    for _ in range(chance.randint(1, 4)):
        labels = [f'{name}="{chance.choice(VALUES)}"' for name in names]
        place = chance.randint(0, len(labels))
        for count, bound in enumerate(BOUNDS):
            said = ",".join([*labels[:place], f'le="{bound}"', *labels[place:]])
            lines.append(f"took_bucket{{{said}}} {count}")
        lines.append(f"asked_total{{{','.join(labels)}}} {chance.randint(0, 9)}")
    lines = list(dict.fromkeys(lines))
    chance.shuffle(lines)
    return STARTED + "\n".join(lines) + "\n"


def added(found: list[Series]) -> dict[str, tuple[float, tuple[tuple[float, float], ...]]]:
    """What each version counted, told by all labels but the bound's."""
    tallies: dict[str, Tally] = {}
    for one in found:
        others = {name: said for name, said in one.labels.items() if name != "le"}
        tallies.setdefault(str(sorted(others.items())), Tally()).add(one, NAMES)
    return {key: (one.requests, one.buckets) for key, one in tallies.items()}


@pytest.mark.parametrize("seed", range(60))
def test_a_histogram_at_once_is_each_of_its_lines(seed: int) -> None:
    text = page(random.Random(seed))
    try:
        each = exposition.chosen(text, {NAMES.requests, NAMES.buckets})[1]
    except Strange:  # the same version came twice
        with pytest.raises(Strange):
            exposition.read(text, NAMES)
        return
    assert added(exposition.read(text, NAMES)[1]) == added(each)


def test_labels_are_read_once_for_all_bounds() -> None:
    _, found = exposition.read(page(random.Random(1)), NAMES)
    histograms = [one for one in found if one.name == NAMES.buckets and one.counts]
    assert histograms
    assert all(tuple(sorted(one.bounds)) == tuple(sorted(BOUNDS)) for one in histograms)
    assert all("le" not in one.labels for one in histograms)


@pytest.mark.parametrize(
    "line",
    [
        'took_bucket{code="200",le="1"} 4',  # twice
        'took_bucket{code="200",le="high"} 4',
        'took_bucket{code="200",le="nan"} 4',
        'took_bucket{code="200",le="2"} -1',
        'took_bucket{code="200",le="2"} many',
        'took_bucket{code="200",le="2"',
        'took_bucket{code="200",le="2',
        'took_bucket{code="200"le="2"} 4',
    ],
)
def test_a_strange_line_among_known_ones_is_refused(line: str) -> None:
    known = "".join(f'took_bucket{{code="200",le="{bound}"}} 3\n' for bound in ("1", "+Inf"))
    with pytest.raises(Strange):
        exposition.read(STARTED + known + line + "\n", NAMES)


def test_a_bound_that_is_in_no_label_of_its_own_is_not_one() -> None:
    text = STARTED + 'took_bucket{path=",le=",code="5"} 3\n'
    _, found = exposition.read(text, NAMES)
    assert [(one.labels["path"], one.value) for one in found] == [(",le=", 3.0)]
    with pytest.raises(Strange):
        Tally().add(found[0], NAMES)


def test_a_page_in_pieces_is_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(random.Random(2))
    whole = exposition.read(text, NAMES)
    monkeypatch.setattr(exposition, "_PIECE", 7)
    assert exposition.read(text, NAMES) == whole
    assert math.isfinite(whole[0])


@pytest.mark.parametrize("seed", range(20))
def test_a_page_as_it_comes_is_the_page(seed: int) -> None:
    chance = random.Random(seed)
    text = page(chance).encode() + 'other{a="\u2028"} 1\n'.encode()
    pieces, at = list[bytes](), 0
    while at < len(text):
        size = chance.randint(1, 90)
        pieces.append(text[at : at + size])
        at += size
    try:
        whole = exposition.read(text.decode(), NAMES)
    except Strange:  # the same version came twice
        with pytest.raises(Strange):
            exposition.streamed(pieces, NAMES)
        return
    assert exposition.streamed(pieces, NAMES) == whole


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([STARTED.encode(), b"asked_total 1"], "within a line"),
        ([STARTED.encode(), *[b"x" * 5_000] * 20], "a line of more than"),
        ([STARTED.encode(), *[b'asked_total{a="%d"} 1\n' % number for number in range(20)]], "more than 10"),
    ],
)
def test_what_has_no_end_is_given_up(pieces: list[bytes], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "_MOST", 10)
    with pytest.raises(Strange, match=why):
        exposition.streamed(pieces, NAMES)


def test_what_counts_nothing_is_not_kept() -> None:
    other = b'go_gc_pauses_bucket{le="0.0001"} 17\n' * 1_000
    tracemalloc.start()
    _, found = exposition.streamed([STARTED.encode(), *[other] * 200, b"asked_total 1\n"], NAMES)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.value for one in found] == [1.0]
    assert most < 1 << 20, "of seven megabytes"


def test_two_histograms_line_by_line_in_turn_are_told_apart() -> None:
    lines = [
        f'took_bucket{{code="{code}",le="{bound}"}} {count}\n'
        for count, bound in enumerate(("1", "2", "+Inf"))
        for code in ("200", "500")
    ]
    _, found = exposition.read(STARTED + "".join(lines), NAMES)
    assert [(one.bounds, one.counts) for one in found] == [(("1", "2", "+Inf"), [0.0, 1.0, 2.0])] * 2


def histogram(code: str, counts: list[str], bounds: tuple[str, ...] = ("1", "2", "+Inf")) -> list[str]:
    """Its lines."""
    pairs = zip(bounds, counts, strict=True)
    return [f'took_bucket{{code="{code}",le="{bound}"}} {count}\n' for bound, count in pairs]


@pytest.mark.parametrize("size", [1 << 16, 100, 33, 7])
def test_histograms_of_the_same_bounds_are_each_of_their_lines(size: int) -> None:
    of_others = histogram("404", ["1", "1"], ("1", "+Inf"))
    lines = [line for n in range(8) for line in histogram(f"20{n}", [f"{n}", f"{n}.5", "1e3"])] + of_others
    lines += histogram("500", ["0", "2", "4"])
    text = (STARTED + "".join(lines)).encode()
    _, found = exposition.streamed((text[at : at + size] for at in range(0, len(text), size)), NAMES)
    assert len(found) == 10
    assert added(found) == added(exposition.chosen(text.decode(), {NAMES.buckets})[1])


@pytest.mark.parametrize("count", ["-1", "nan", "inf", "-inf", "many", "", "1 2"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_count_that_is_none_is_refused_in_a_histogram_like_the_one_before(count: str, place: int) -> None:
    counts = ["3", "4", "5"]
    counts[place] = count
    text = "".join(histogram("200", ["1", "2", "3"]) + histogram("404", counts))
    with pytest.raises(Strange, match=r"where a count belongs|that is not one"):
        exposition.read(STARTED + text, NAMES)


def test_a_histogram_that_comes_twice_is_refused() -> None:
    one, other = histogram("200", ["1", "2", "3"]), histogram("404", ["1", "2", "3"])
    with pytest.raises(Strange, match="twice"):
        exposition.read(STARTED + "".join(one + other + other), NAMES)
    with pytest.raises(Strange, match="twice"):
        exposition.read(STARTED + "".join(one + other + one), NAMES)


def test_a_bound_that_comes_behind_a_histogram_like_the_one_before_is_its_own() -> None:
    late = 'took_bucket{code="404",le="1.5"} 2\n'
    text = "".join([*histogram("200", ["1", "2", "3"]), *histogram("404", ["1", "2", "3"]), late])
    _, found = exposition.read(STARTED + text, NAMES)
    assert [len(one.bounds) for one in found] == [3, 4]
    assert added(found) == added(exposition.chosen(STARTED + text, {NAMES.buckets})[1])


def test_one_that_nobody_asked_counts_zero_up_to_each_bound_and_another_what_it_counted() -> None:
    tally = unasked((1.0, 2.0))
    assert tally.counters("one").buckets == ((1.0, 0.0), (2.0, 0.0), (math.inf, 0.0))
    for one in exposition.read(STARTED + "".join(histogram("200", ["1", "2", "3"])), NAMES)[1]:
        tally.add(one, NAMES)
    assert tally.counters("one").buckets == ((1.0, 1.0), (2.0, 2.0), (math.inf, 3.0))
    for one in exposition.read(STARTED + "".join(histogram("404", ["1", "1", "5"])), NAMES)[1]:
        tally.add(one, NAMES)
    assert tally.counters("one").buckets == ((1.0, 2.0), (2.0, 3.0), (math.inf, 8.0))


@pytest.mark.parametrize("bounds", [("+Inf", "2", "1"), ("1", "1.0", "+Inf")])
def test_bounds_in_another_order_or_written_twice_are_put_in_theirs(bounds: tuple[str, ...]) -> None:
    tally = Tally()
    (one,) = exposition.read(STARTED + "".join(histogram("200", ["2", "2", "2"], bounds)), NAMES)[1]
    tally.add(one, NAMES)
    found = [bound for bound, _ in tally.buckets]
    assert found == sorted(set(map(float, bounds)))
