"""Pictures of evidence: a person without colours, without light, without sight or on a phone is told the same."""

import importlib
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from policies.guards.heartbeat import Alive
from policies.guards.plan import History
from policies.guards.trail import Recorded
from policies.release import Cause, Phase, Release
from service.cli import reporting
from service.reporting import data, page, panels, words
from service.showing import drawing
from service.showing.panel import Axis, Line, Panel, Tone
from tests.unit.guard_worlds import ENVIRONMENT, World, intervals

RELEASE = Release(
    name="rel-7",
    number=7,
    model="wine",
    target="wine/production",
    environment=ENVIRONMENT,
    version="v",
    backend="b",
    cause=Cause('push to main: <script>alert("x")</script>', "ann"),
    phase=Phase.ROLLED_BACK,
    peak=10.0,
    began=0.0,
    ended=400.0,
)


def found(candidate=0.05, seconds=200, **changes):
    seen = intervals(World(stable=0.002, candidate=candidate, rate=200, weight=10), seconds, seed=5)
    recorded = Recorded(History(10_000, 20), 0.0, 0, tuple((one, Alive(0, answers=True)) for one in seen))
    # As it comes out of the API.
    return json.loads(json.dumps(data.of(replace(RELEASE, **changes), recorded), allow_nan=False))


class Reader(HTMLParser):
    """What a browser would load, run and read."""

    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.loads = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href", "srcset", "data", "action"} and not value.startswith(
                "#"
            ):
                self.loads.append(value)


@pytest.fixture(scope="module")
def html():
    report = found()
    return page.of("rel-7: wine", report, panels.of(report))


def test_the_page_loads_nothing_runs_nothing_and_names_each_thing_once(html):
    reader = Reader()
    reader.feed(html)
    assert reader.loads == []
    assert "script" not in reader.tags
    assert "@import" not in html
    assert not re.search(r"url\((?!#p\d)", html)
    assert len(reader.ids) == len(set(reader.ids))
    assert "&lt;script&gt;" in html


def test_each_picture_is_told_to_whoever_cannot_see_it(html):
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) == 6
    for drawn in pictures:
        root = ET.fromstring(drawn)  # noqa: S314  we drew it ourselves
        assert root.get("role") == "img"
        title = root.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert title.get("id") == root.get("aria-labelledby")
        assert len(title.text) > 40


def test_the_page_takes_every_colour_of_a_picture_from_the_readers_light_or_dark(html):
    for drawn in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        assert not re.findall(r"(?:fill|stroke): #[0-9a-f]+", drawn)
        used = set(re.findall(r"var\(--(\w+)\)", drawn))
        for name in used:
            assert len(re.findall(rf"--{name}:#[0-9a-f]{{6}}", html)) == 2, name


def test_the_words_of_a_picture_are_text_and_the_threshold_is_said(html):
    assert "so many times more likely than chance allows" in html
    assert "100: rolled back here" in html


@pytest.mark.parametrize("colours", [drawing.LIGHT, drawing.DARK])
def test_lines_that_stand_beside_each_other_differ_for_people_with_any_colour_vision(colours):
    # Okabe and Ito chose hues for this; what must hold of our shades is that lightness tells two arms apart.
    def lightness(colour):
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    one, other = lightness(colours[Tone.CANDIDATE]), lightness(colours[Tone.STABLE])
    assert abs(one - other) > 0.03


def test_the_same_report_is_the_same_bytes():
    report = found(seconds=40)
    pictures = panels.of(report)
    assert page.of("t", report, pictures) == page.of("t", report, pictures)
    assert drawing.png("t", "s", pictures[:1]) == drawing.png("t", "s", pictures[:1])
    assert drawing.svg("t", "s", pictures[:1]) == drawing.svg("t", "s", pictures[:1])


def test_a_file_of_its_own_is_a_png_or_a_whole_svg():
    report = found(seconds=40)
    assert drawing.png("t", report["sentence"], panels.of(report)[:2]).startswith(b"\x89PNG")
    root = ET.fromstring(drawing.svg("t", report["sentence"], panels.of(report)[:2]))  # noqa: S314  our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_line_of_all_guards_crosses_where_the_judge_found_harm_and_not_before():
    report = found()
    crossed = [at for at, e in report["budget"]["points"] if e >= report["budget"]["harm_at"]]
    (errors,) = [one for one in report["guards"] if one["guard"] == "errors"]
    assert errors["verdict"] == "harm"
    alone = [at for at, e in errors["evidence"] if e >= report["budget"]["harm_at"]]
    assert crossed
    assert min(crossed) <= min(alone)


def test_a_thinned_report_keeps_the_moment_of_harm():
    long, short = found(seconds=2000), found(seconds=200)
    at = [next(t for t, e in one["budget"]["points"] if e >= 100) for one in (long, short)]
    assert at[0] == at[1]
    assert len(long["budget"]["points"]) < 300


def test_a_guard_of_a_kind_that_the_report_does_not_know_is_drawn_by_the_names_of_its_numbers():
    report = found(seconds=60)
    new = {
        "guard": "labels",
        "verdict": "undecided",
        "rule": "wrong answers must not be more frequent than stable's",
        "numbers": {"bad": 3.0, "requests": 70.0},
        "interval": None,
        "samples": 70,
        "needed": "more labels",
        "evidence": [[1.0, 1.0], [60.0, 4.0]],
        "rates": {"candidate": [[60.0, 0.01, 0.04, 0.2]], "stable": []},
    }
    drawn = panels.of(report | {"guards": [*report["guards"], new]})
    assert "Share of bad requests: labels" in [one.title for one in drawn]
    assert "labels" in [line.words for line in drawn[0].lines]
    assert "wrong answers must not" in page.of("t", report | {"guards": [new]}, drawn[:1])


def test_a_report_before_the_first_interval_is_a_page_without_pictures():
    report = json.loads(json.dumps(data.of(RELEASE, Recorded(None, 0.0, 0, ()))))
    assert panels.of(report) == []
    assert "There is no picture" in page.of("t", report, [])


def test_a_panel_with_one_point_or_none_is_drawn():
    axis = Axis("x", 0, 1)
    one = Panel("t", "says", axis, axis, (Line("a", ((0.5, 0.5),), Tone.ALL), Line("b", (), Tone.STABLE)))
    assert drawing.inline(one, "p").startswith("<svg")


def test_numbers_are_said_as_people_say_them():
    assert [words.many(n) for n in (0, 2.0, 2.25, 9.96, 1234.4)] == ["0", "2", "2.2", "10", "1,234"]
    assert [words.span(s) for s in (40, 89, 1230, 9 * 3600, 200_000)] == [
        "40 s",
        "89 s",
        "20.5 min",
        "9 h",
        "2.31 d",
    ]
    assert words.give_or_take(-0.3, 0.2) == "0 ± 0"


@pytest.mark.parametrize("process", ["web", "observer", "worker", "reconciler", "intake", "tasks"])
def test_no_process_of_an_installation_loads_what_draws(process):
    code = f"import sys, service.{process}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_a_picture_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "service.showing.drawing")
    with pytest.raises(reporting.click.ClickException, match=r"pip install 'segue\[pictures\]'"):
        reporting.drawn_by("service.showing.drawing")
    monkeypatch.undo()
    importlib.import_module("service.showing.drawing")
