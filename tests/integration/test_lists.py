"""The API's lists in pages, and what is not sent twice: nothing is told twice or left out, whatever comes in meanwhile."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from policies.roles import grant
from service.adapters.memory.git import MemoryGit
from service.identity import callers, people, sessions, tokens
from service.ports.connections import Cluster, Source
from service.showing import streams
from tests.scenarios.conftest import World

LISTS = [
    *("releases", "targets", "sources", "clusters", "settings", "models", "models/wine/labels"),
    *("events", "record", "tokens", "logins", "grants", "persons"),
]
LABELS = [
    {"request": f"r-{nth}", "at": 1769868180 + nth, "version": f"v{nth}", "wrong": True} for nth in range(5)
]
WINE = "name: wine\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py, port: 8080}\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Five of everything that is listed; streams end at once."""
    world = World(tmp_path_factory.mktemp("world"))
    for nth, model in enumerate(("wine", "beer", "cider", "ale", "mead")):
        text = WINE.replace("wine", model)
        files = {"segue.yaml": text, "requirements.lock": "", "serve.py": str(nth)}
        world.push({f"{model}/{name}": content for name, content in files.items()})
        world.settle()
    for name in ("one", "Two", "three", "four"):
        world.connect(Source(name, "bare", "memory"), MemoryGit())
    with world.store.change() as change:
        for name in ("prod", "Stage", "three", "four", "five"):
            change.save_cluster(Cluster(name))
    add(world, LABELS)
    let_in(world)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "LONGEST_SECONDS", 0.0)
        yield world
    world.close()


def let_in(world):
    for name in ("Ida", "joe", "ann", "bob", "eve"):
        token = tokens.make(world.store, name) if name not in world.people else world.people[name]
        assert sessions.begin(world.store, token)
        people.name(world.store, name, (f"code:{name}-x",))
        with world.store.change() as change:
            callers.give(change, f"oidc:{name}", grant("viewer", "*"), "segue")
            callers.give(change, f"oidc:{name}", grant("viewer", "wine"), "segue")


def add(world, rows):
    body = {"model": "wine", "table": "warehouse.labels", "labels": rows}
    assert world.intake.post("/api/v1/labels", json=body, headers=header(world)).status_code == 202
    world.settle()


def header(world, token=None):
    return {"Authorization": f"Bearer {token or world.people['bob']}"}


def get(world, path, **headers):
    return world.web.get(f"/api/v1/{path}", headers={**header(world), **headers})


def rows_of(answer):
    (rows,) = (value for key, value in answer.json.items() if key != "next")
    return rows


def following(answer):
    """The query of the next page, as its link says it; None on the last."""
    link = re.fullmatch(r'<\?(.+)>; rel="next"', answer.headers.get("Link", ""))
    return link[1] if link else None


def pages(world, path, query):
    """All pages of a list, each found by the link of the one before."""
    found = [get(world, f"{path}?{query}")]
    while (query := following(found[-1])) is not None:
        found.append(get(world, f"{path}?{query}"))
    return found


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 2, 200])
def test_pages_tell_each_row_once_and_in_the_same_order(world, path, limit):
    whole = rows_of(get(world, f"{path}?limit=200"))
    assert len(whole) >= 5
    found = pages(world, path, f"limit={limit}")
    assert [row for page in found for row in rows_of(page)] == whole
    assert all(len(rows_of(page)) == limit for page in found[:-1])
    assert found[-1].json["next"] is None


@pytest.mark.parametrize("path", LISTS)
def test_the_link_is_that_of_next_and_keeps_what_else_was_asked(world, path):
    answer = get(world, f"{path}?limit=2&said=a%26b")
    query = parse_qs(following(answer))
    assert query.pop("said") == ["a&b"]
    assert query.pop("limit") == ["2"]
    assert list(query.values()) == [[answer.json["next"]]]


def test_what_comes_in_meanwhile_moves_nothing(tmp_path):
    world = World(tmp_path)
    files = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}
    world.push(files)
    world.settle()
    for nth in range(2, 5):
        world.push({"serve.py": str(nth)})
        world.settle()
    first = {path: get(world, f"{path}?limit=2") for path in ("releases", "events")}
    world.push({"serve.py": "5"})
    world.settle()
    later = get(world, f"releases?{following(first['releases'])}")
    assert [one["name"] for one in rows_of(first["releases"]) + rows_of(later)] == [
        f"rel-{nth}" for nth in (4, 3, 2, 1)
    ]
    seen = [row["id"] for row in rows_of(first["events"])]
    rest = [row["id"] for page in pages(world, "events", following(first["events"])) for row in rows_of(page)]
    assert len(rest) == len(set(rest))
    assert not set(seen) & set(rest)
    world.close()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["", "0", "-1", "201", "1.0", "²", "x" * 100])
def test_a_limit_that_is_none_is_refused_with_what_to_write(world, path, limit):
    answer = get(world, f"{path}?limit={limit}")
    assert answer.status_code == 400
    assert "from 1 to 200" in answer.json["detail"]


def test_what_one_may_not_see_is_on_no_page_and_behind_no_link(world):
    token = tokens.make(world.store, "drinks beer", grants=[grant("viewer", "beer/*")])
    for path in ("targets", "models", "releases"):
        answer = world.web.get(f"/api/v1/{path}?limit=1", headers=header(world, token))
        assert "beer" in json.dumps(rows_of(answer))
        assert following(answer) is None


def test_what_was_given_up_of_one_source_is_found_behind_others(tmp_path):
    """No column says whose it is, so that whole pages of others may lie before it."""
    world = World(tmp_path)
    world.connect(Source("other", "bare", "memory"), MemoryGit())
    world.hook("git", "no object")
    world.settle()
    for _ in range(5):
        world.hook("other", "no object")
    world.settle()
    (own,) = rows_of(get(world, "events?failed=1&source=git&limit=1"))
    assert own["source"] == "git"
    assert len(rows_of(get(world, "events?failed=1&source=other&limit=200"))) == 5
    world.close()


# --- tags ------------------------------------------------------------------------------------

READ = [*LISTS, "me", "releases/rel-1", "releases/rel-1/report", "events/1", "commands/1"]


@pytest.mark.parametrize("path", READ)
def test_who_has_an_answer_is_not_sent_it_again(world, path):
    tag = get(world, path).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = get(world, path, **{"If-None-Match": known})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == tag
    assert get(world, path, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_tag_is_of_the_content(world):
    before = get(world, "models/wine/labels").headers["ETag"]
    add(world, [{"request": "more", "at": 1769868190, "version": "v9", "wrong": False}])
    changed = get(world, "models/wine/labels", **{"If-None-Match": before})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != before


def test_a_tag_tells_nothing_to_who_may_not_see(world):
    tag = get(world, "releases/rel-1").headers["ETag"]
    token = tokens.make(world.store, "has no wine", grants=[grant("viewer", "beer/*")])
    asked = {**header(world, token), "If-None-Match": tag}
    assert world.web.get("/api/v1/releases/rel-1", headers=asked).status_code == 404
    assert world.web.get("/api/v1/releases/rel-1", headers={"If-None-Match": tag}).status_code == 401


def test_what_is_made_while_it_is_sent_has_no_tag(world):
    for path in ("record/export", "releases/rel-1/stream"):
        assert "ETag" not in get(world, path, **{"If-None-Match": "*"}).headers


def test_a_problem_has_no_tag(world):
    assert "ETag" not in get(world, "releases/rel-999").headers
    assert urlsplit(get(world, "releases/rel-999").json["instance"]).path.endswith("rel-999")
