"""Which tag is the newest: by what tags say, else by when images were made, else nobody guesses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import tags
from policies.tags import Made

SIGNED = "sha256-" + "0" * 64


def newest(pattern, *names):
    return tags.newest(tags.counted(tags.matching(names, pattern), pattern), pattern)


@pytest.mark.parametrize(
    ("repository", "place"),
    [
        ("ghcr.io/acme/fraud", ("ghcr.io", "acme/fraud")),
        ("GHCR.io/acme/fraud", ("ghcr.io", "acme/fraud")),
        ("registry:5000/fraud", ("registry:5000", "fraud")),
        ("localhost/fraud", ("localhost", "fraud")),
        ("127.0.0.1:5000/a/b/c", ("127.0.0.1:5000", "a/b/c")),
        ("acme/fraud", ("docker.io", "acme/fraud")),
        ("fraud", ("docker.io", "library/fraud")),
        ("docker.io/fraud", ("docker.io", "library/fraud")),
        ("index.docker.io/acme/fraud", ("docker.io", "acme/fraud")),
    ],
)
def test_an_image_lives_where_container_engines_would_look_for_it(repository, place):
    assert tags.place(repository) == place


@pytest.mark.parametrize(
    ("pattern", "names", "wanted"),
    [
        ("latest", ["latest", "later"], ["latest"]),
        ("main-*", ["main", "main-1", "main-2", "my-main-3"], ["main-1", "main-2"]),
        ("v?", ["v1", "v10"], ["v1"]),
        ("*", [SIGNED, f"{SIGNED}.sig", "1", "1é", "", "-1"], ["1"]),
        ("*", [], []),
    ],
)
def test_a_pattern_matches_whole_tags_and_no_signatures(pattern, names, wanted):
    assert list(tags.matching(names, pattern)) == wanted


@pytest.mark.parametrize(
    ("pattern", "older", "newer"),
    [
        ("v*", "v1.9.0", "v1.10.0"),
        ("*", "1.9", "1.9.1"),
        ("1.1*", "1.1.9", "1.10.0"),
        ("v*", "v2.0.0-rc.1", "v1.9.0"),  # nobody asked for pre-releases
        ("v*-rc*", "v2.0.0-rc.9", "v2.0.0-rc.10"),
        ("*-*", "2.0.0-9", "2.0.0-beta"),
        ("release-v1.*", "release-v1.9.9", "release-v1.10.0"),
        ("*", "latest", "0.1.0"),  # no version, where there are versions
        ("*-gpu", "1.9.0-gpu", "1.10.0-gpu"),
        ("main-*", "main-9", "main-42"),
        ("main-*", "main-3f2a9c1-1700000000", "main-0e1f-1800000000"),
        ("main-*", "main-20261124", "main-20261125"),
        ("main-*", "main-2026-9-30", "main-2026-11-01"),
        ("main-*", "main-2026-11-25T09-00-00Z", "main-2026-11-25T10-00-00Z"),
        ("main-20*", "main-20261124", "main-20261125"),
    ],
)
def test_the_newest_is_told_by_the_tags_in_whatever_order_they_come(pattern, older, newer):
    assert newest(pattern, older, newer) == newer
    assert newest(pattern, newer, older) == newer


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("main-*", ["main-3f2a9c1", "main-1234567"]),  # commits: one has digits only, by chance
        ("main-*", ["main-3f2a9c1", "main-42"]),
        ("main-*", ["main-2026-11-25", "main-42"]),
        ("*", ["blue", "green"]),
    ],
)
def test_what_the_tags_do_not_tell_is_not_guessed(pattern, names):
    assert newest(pattern, *names) is None


def test_one_tag_needs_no_order_and_no_tag_has_none():
    assert newest("main-*", "main-3f2a9c1") == "main-3f2a9c1"
    assert newest("main-*") is None


def test_pre_releases_alone_are_nothing_to_serve():
    assert tags.counted(("v2.0.0-rc.1",), "v*") == ()
    assert tags.counted(("v2.0.0-rc.1",), "v2.0.0-rc.1") == ("v2.0.0-rc.1",)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({"a": Made("1", 5.0), "b": Made("2", 7.0), "c": Made("3", 6.0)}, "b"),
        ({"a": Made("1", 5.0), "b": Made("2", None)}, "a"),
        ({"a": Made("1", 5.0), "b": Made("1", 5.0)}, "b"),  # one image with two names
        ({"a": Made("1", 5.0), "b": Made("2", 5.0)}, None),
        ({"a": Made("1", None), "b": Made("2", None)}, None),
        ({"a": Made("1", None), "b": Made("1", None)}, "b"),
    ],
)
def test_else_the_image_that_was_made_last_unless_two_claim_it(made, wanted):
    assert tags.latest(made) == wanted


TAGS = st.lists(st.from_regex(r"[a-c0-2v][a-c0-2v._T-]{0,8}", fullmatch=True), unique=True, max_size=8)
PATTERNS = st.from_regex(r"[a-c0-2v.-]{0,3}[*?][a-c0-2*-]{0,2}", fullmatch=True)


@given(TAGS, PATTERNS)
def test_the_newest_is_one_that_matches_and_the_same_for_any_order(names, pattern):
    found = newest(pattern, *names)
    assert found == newest(pattern, *reversed(names))
    assert found is None or found in tags.matching(names, pattern)


@given(TAGS, PATTERNS, st.sets(st.integers(0, 7)))
def test_the_newest_stays_the_newest_of_fewer(names, pattern, gone):
    found = newest(pattern, *names)
    fewer = [name for number, name in enumerate(names) if name == found or number not in gone]
    if found is not None:
        assert newest(pattern, *fewer) == found
