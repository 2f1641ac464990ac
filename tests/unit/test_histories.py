"""A source's history as recorded intervals: what was gained, what is a gap, and what a policy makes of it."""

import pytest
from click.testing import CliRunner

from policies.guards.counted import Counted
from policies.guards.drift import Scored
from policies.guards.increment import Gap, Increment
from policies.guards.readings import Series, Versions
from policies.spec import selector
from policies.spec.declaration import Environment, Guard, GuardKind
from service import sources
from service.cli import replaying
from service.cli.main import group
from service.ports.connections import Source
from service.rehearsing import histories, replays

VERSIONS = Versions("version", frozenset({"new"}), frozenset({"old"}))
ENVIRONMENT = Environment(guards=(Guard("errors", GuardKind.ERRORS), Guard("alive", GuardKind.ALIVE)))
BOUNDS = ("0.1", "1", "+Inf")


class Memory:
    """Remembers counters at whole tens of seconds."""

    def __init__(self, *, bad=0.0, looks=60, spoil=None):
        self.asked = []
        self._series = {}
        for number in range(looks + 1):
            for version, share, much in (("new", bad, 100), ("old", 0.01, 900)):
                for country, part in (("tr", 0.1), ("de", 0.9)):
                    every = much * part * number
                    lost = every * (share * (10 if country == "tr" else 0) if version == "new" else share)
                    labels = {"version": version, "country": country}
                    self._put(number, "asked_total", every, **labels)
                    self._put(number, "lost_total", round(lost), **labels)
                    self._put(number, "empty_total", round(every * share), **labels)
                for nth, le in enumerate(BOUNDS):
                    self._put(number, "s_bucket", much * number * (nth + 1) / 3, version=version, le=le)
        if spoil is not None:
            spoil(self._series)

    def _put(self, number, name, value, **labels):
        self._series.setdefault((name, tuple(sorted(labels.items()))), {})[1000.0 + 10 * number] = value

    def history(self, selectors, since, until, step):
        self.asked.append((since, until))
        return tuple(
            Series(name, labels, tuple((at, v) for at, v in sorted(points.items()) if since <= at <= until))
            for (name, labels), points in self._series.items()
            if any(one.fits(name, dict(labels)) for one in selectors)
        )


def wanted(buckets=None, until=1600.0):
    return histories.Wanted(
        selector.read("lost_total"), selector.read("asked_total"),
        None if buckets is None else selector.read(buckets), VERSIONS, 1000.0, until, 10.0,
    )  # fmt: skip


def test_each_interval_is_what_both_versions_gained_at_the_share_that_was_seen():
    found = histories.recorded(Memory(), wanted("s_bucket"), ENVIRONMENT)
    seen = [what for what, _ in found.seen]
    assert len(seen) == 60
    assert all(isinstance(what, Increment) for what in seen)
    assert {(w.candidate.requests, w.stable.requests, w.weight) for w in seen} == {(100, 900, 10)}
    assert sum(w.stable.errors for w in seen) == 540
    assert seen[0].bounds == (0.1, 1.0)
    assert (seen[0].sequence, seen[0].at, seen[0].seconds, found.at) == (0, 1010, 10, 1000)


def test_a_bad_version_would_have_been_rolled_back_and_a_good_one_not():
    told = replays.outcome(ENVIRONMENT, histories.recorded(Memory(bad=0.05), wanted(), ENVIRONMENT))
    assert told["harm"]["guards"] == ["errors"]
    assert replays.outcome(ENVIRONMENT, histories.recorded(Memory(), wanted(), ENVIRONMENT))["harm"] is None


def test_a_restart_and_a_missing_scrape_are_gaps_and_nothing_else():
    def spoil(series):
        for (_, labels), points in series.items():
            if dict(labels)["version"] == "new":
                for at in [at for at in points if at >= 1300]:
                    points[at] -= points[1290.0]
            points.pop(1500.0)

    found = histories.recorded(Memory(spoil=spoil), wanted(), ENVIRONMENT)
    gaps = {what.at: what.reason for what, _ in found.seen if isinstance(what, Gap)}
    assert set(gaps) == {1300.0, 1500.0}
    assert "went back" in gaps[1300.0]
    assert "nothing there fits" in gaps[1500.0]


def test_the_policys_own_guards_are_asked_there_too():
    guards = (
        Guard("errors", GuardKind.ERRORS, segments=("country",)),
        Guard("empty", GuardKind.QUERY, query="empty_total", of="asked_total"),
        Guard("scores", GuardKind.DRIFT, query="s_bucket"),
    )
    policy = Environment(guards=guards)
    found = histories.recorded(Memory(bad=0.05), wanted(), policy)
    told = {(type(what), what.guard) for what, _ in found.seen if isinstance(what, Counted | Scored)}
    assert told == {(Counted, "errors"), (Counted, "empty"), (Scored, "scores")}
    assert [what.sequence for what, _ in found.seen] == list(range(len(found.seen)))
    assert "errors in country=tr" in replays.outcome(policy, found)["harm"]["guards"]


def test_a_long_time_is_asked_for_piece_by_piece(monkeypatch):
    monkeypatch.setattr(histories, "AT_ONCE", 20)
    memory = Memory()
    assert len(histories.recorded(memory, wanted(), ENVIRONMENT).seen) == 60
    assert memory.asked == [(1000, 1200), (1210, 1410), (1420, 1600)]
    monkeypatch.setattr(histories, "AT_ONCE_OF_BUCKETS", 30)
    memory = Memory()
    histories.recorded(memory, wanted("s_bucket"), ENVIRONMENT)  # each value may be many buckets
    assert memory.asked == [(1000, 1300), (1310, 1600)]
    with pytest.raises(ValueError, match="0 intervals"):
        histories.recorded(memory, wanted(until=1005.0), ENVIRONMENT)


# --- the command -----------------------------------------------------------------------------

WORDS = ("replay", "--from", "prom", "--bad", "lost_total", "--of", "asked_total", "--candidate", "new",
         "--stable", "old", "--since", "1970-01-01T00:16:40Z", "--until", "1970-01-01T00:26:40+00:00",
         "--step", "10")  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path))
    sources.save(tmp_path, (Source("prom", "prometheus", "http://127.0.0.1:1"),))
    monkeypatch.setattr(replaying.sources, "opened", lambda *_: Memory(bad=0.05))
    policy = tmp_path / "segue.yaml"
    policy.write_text("name: a\nbuild: {lock: a}\nserve: {run: a}\n")

    def ran(*words):
        return CliRunner().invoke(group, [*words, "--policy", str(policy)])

    return ran


def test_the_command_tells_and_draws_what_the_policy_would_have_done(run, tmp_path):
    done = run(*WORDS, "-o", str(tmp_path / "a.png"))
    assert done.exit_code == 0, done.output
    assert "it would have rolled back after" in done.output
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS[:5], "--of"),
        (("replay", "--from", "other", *WORDS[3:]), "no source"),
        ((*WORDS[:4], "rate(lost_total[5m])", *WORDS[5:]), "computes with"),
        ((*WORDS[:12], "yesterday", *WORDS[13:]), "is no time"),
        ((*WORDS[:8], "gone", "--stable", "away", *WORDS[11:]), "nothing can be told"),
        ((*WORDS, "-o", "a.html"), ".png or .svg"),
    ],
)
def test_what_is_missing_or_wrong_is_told(run, words, said):
    done = run(*words)
    assert done.exit_code != 0
    assert said in done.output
