"""The dashboard for Grafana asks only for metrics, labels and values that there are, and for its own data source."""

import json
import re

import pytest

from tests.docs.pages import ROOT, cells, text

PAGE = "docs/reference/metrics.md"
DASHBOARD = json.loads((ROOT / "charts" / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
OF_EVERY_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
OF_PROMETHEUS = {"le", "instance"}  # labels that come with a bucket, and with who was scraped
METRIC = re.compile(r"\b(?:segue|process)_[a-z_]+\b")


def described():
    """Each metric of ours with its type and labels."""
    rows = {row[0].strip("`"): row for row in cells(PAGE) if row[0].startswith("`segue_")}
    return {name: (row[1], set(re.findall(r"`(\w+)`", row[2]))) for name, row in rows.items()}


def test_each_metric_of_ours_is_shown():
    shown = {re.sub(r"_bucket$", "", name) for query in QUERIES for name in METRIC.findall(query)}
    assert shown == described().keys() | OF_EVERY_PROCESS


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_asks_for_what_there_is_in_the_way_that_its_type_needs(query):
    known, labels = described(), set(OF_PROMETHEUS)
    for name in METRIC.findall(query):
        if name in OF_EVERY_PROCESS:
            continue
        base = name.removesuffix("_bucket")
        kind, of_it = known[base]
        labels |= of_it
        assert (kind == "histogram") == (name != base), (
            "a histogram is asked by its buckets, and nothing else is"
        )
    asked = {one.strip() for group in re.findall(r"(?:by|on) \(([^)]*)\)", query) for one in group.split(",")}
    asked |= set(re.findall(r"[{,](\w+)=", query))
    assert asked <= labels
    for value in re.findall(r'="([^"]+)"|=~"([^"]+)"', query):
        for one in "".join(value).split("|"):
            assert f"`{one}`" in text(PAGE)
    assert query.count("(") == query.count(")")


def test_a_rate_is_taken_over_what_was_scraped():
    """A fixed window would be empty where the page shows days, or Prometheus scrapes seldom."""
    windows = {window for query in QUERIES for window in re.findall(r"\[(.*?)\]", query)}
    assert windows == {"$__rate_interval"}


def test_each_panel_says_what_it_shows_in_which_unit_and_lies_where_no_other_does():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells_of_it = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells_of_it & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells_of_it
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_it_asks_the_data_source_that_is_chosen_and_marks_rollouts():
    sources = {json.dumps(one["datasource"]) for panel in PANELS for one in (panel, *panel["targets"])}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    (chosen,) = DASHBOARD["templating"]["list"]
    assert (chosen["name"], chosen["type"], chosen["query"]) == ("datasource", "datasource", "prometheus")
    (marks,) = DASHBOARD["annotations"]["list"]
    assert marks["target"]["tags"] == ["segue"]
