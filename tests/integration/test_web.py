"""The API that is read: a token everywhere, plain shapes, and clear answers to nonsense."""

import pytest

from tests.scenarios.conftest import World


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def get(world, path, token=None):
    headers = {"Authorization": f"Bearer {token or world.people['bob']}"}
    return world.web.get(f"/api/v1/{path}", headers=headers)


PATHS = [
    "me",
    "releases",
    "releases/rel-1",
    "releases/rel-1/stream",
    "releases/rel-1/logs",
    "releases/rel-1/report",
    "releases/rel-1/increments",
    "releases/rel-1/lineage",
    "targets",
    "commands/1",
    "sources",
    "clusters",
    "settings",
    "models",
    "models/rel-1/labels",
    "events",
    "events/1",
    "record",
    "record/export",
    "record/proof",
]
# The document, which needs no token; what is posted; what is asked of one target: they have tests of their own.
OTHERS = {
    "openapi.json",
    "links",
    "simulations",
    *("tokens", "tokens/<name>", "logins", "logins/<name>", "grants", "persons", "persons/<name>"),
    "sources/<name>",
    "verdicts/<model>/<environment>",
    "gates/<gate>/<model>/<environment>",
    "targets/<model>/<environment>/lineage",
    "targets/<model>/<environment>/served",
}


def test_every_route_of_the_api_is_among_those_that_are_tested(world):
    rules = {str(rule) for rule in world.web.application.url_map.iter_rules()}
    wanted = {
        path.replace("rel-1", "<name>").replace("/1", "/<delivery>" if "commands" in path else "/<name>")
        for path in PATHS
    }
    assert {rule.removeprefix("/api/v1/") for rule in rules if rule.startswith("/api/v1")} == wanted | OTHERS


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "wrong"])
def test_nothing_is_shown_without_a_token(world, path, header):
    answer = world.web.get(f"/api/v1/{path}", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.content_type == "application/problem+json"


def test_health_needs_no_token_and_tells_nothing(world):
    assert world.web.get("/healthz").json == {"status": "ok"}
    assert world.web.get("/readyz").json == {"status": "ready"}
    assert b"segue_web_requests" in world.web.get("/metrics").data


@pytest.mark.parametrize(
    "path",
    [
        "releases/rel-99",
        "releases/x",
        "releases/rel-" + "9" * 40,
        "releases/rel-99/stream",
        "releases/rel-99/logs",
        "releases/rel-99/report",
        "releases/rel-99/increments",
        "nothing",
    ],
)
def test_what_is_not_there_is_404_as_a_problem(world, path):
    answer = get(world, path)
    assert answer.status_code == 404
    assert answer.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "releases?before=soon",
        "releases?before=",
        "record?after=x",
        "record?after=²",
        "record?after=-1",
    ],
)
def test_a_page_that_is_no_page_is_refused_with_what_to_write(world, path):
    answer = get(world, path)
    assert answer.status_code == 400
    assert "must be" in answer.json["detail"]


def test_writing_is_refused(world):
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    assert world.web.post("/api/v1/releases", headers=headers).status_code == 405


def test_a_release_is_shown_with_its_version_its_record_and_its_logs(world):
    release = world.live()
    shown = get(world, f"releases/{release.name}").json
    assert set(shown) == {"release", "estimate", "version", "parked", "parked_next", "record", "next"}
    assert shown["release"]["phase"] == "promoted"
    assert shown["release"]["proven"] is False
    assert shown["version"]["image"] == release.image
    assert next(entry["action"] for entry in shown["record"]) == "began"
    assert set(get(world, f"releases/{release.name}/logs").json["logs"]) == {
        "build",
        "evaluation",
        "workload",
    }
    (target,) = get(world, "targets").json["targets"]
    assert target["stable"]["release"] == release.name
    assert target["address"].startswith("http://")


def test_the_record_of_a_release_says_where_it_goes_on(world):
    release = world.live()
    with world.store.change() as change:
        for number in range(205):
            change.record(release.name, "bob", "looked", {"number": number})
    first = get(world, f"releases/{release.name}")
    second = get(world, f"releases/{release.name}?after={first.json['next']}")
    assert first.headers["Link"] == f'<?after={first.json["next"]}>; rel="next"'
    told = [*first.json["record"], *second.json["record"]]
    assert len(first.json["record"]) == 200
    assert [one["detail"]["number"] for one in told if one["action"] == "looked"] == list(range(205))
    assert (second.json["next"], "Link" in second.headers) == (None, False)
    wrong = get(world, f"releases/{release.name}?after=x")
    assert (wrong.status_code, "`after` must be the id" in wrong.json["detail"]) == (400, True)


EVALUATED = """name: wine
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
evaluate: {run: python evaluate.py, gates: {accuracy: ">= 0.9"}}
"""


def test_what_a_build_and_an_evaluation_print_is_read_on_from_marks(world):
    world.parts.jobs.waiting = "no room"
    world.push({"segue.yaml": EVALUATED, "requirements.lock": "", "serve.py": ""})
    world.settle()
    begun = get(world, "releases/rel-1/logs?build=&evaluation=").json
    assert begun["logs"]["build"].startswith("building wine-")
    assert begun["logs"]["evaluation"].startswith("running wine-")
    assert begun["over"] is False
    marks = "&".join(f"{kind}={mark}" for kind, mark in begun["marks"].items())
    again = get(world, f"releases/rel-1/logs?{marks}").json
    assert again == {**begun, "logs": {"build": "", "evaluation": ""}}
    part = get(world, "releases/rel-1/logs?build=1.9").json
    assert part["logs"]["build"] == begun["logs"]["build"][9:]
    world.parts.jobs.waiting, world.parts.jobs.results[""] = "", {"accuracy": 0.95}
    world.settle()
    assert get(world, f"releases/rel-1/logs?{marks}").json["over"] is True


def test_a_mark_of_a_try_before_begins_anew(world):
    world.live()
    whole = get(world, "releases/rel-1/logs?build=").json
    assert get(world, "releases/rel-1/logs?build=7.3").json == whole


@pytest.mark.parametrize("mark", ["x", "1", "1.", "1.-1", "1." + "9" * 20, "²"])
def test_what_is_no_mark_is_refused(world, mark):
    world.live()
    assert get(world, f"releases/rel-1/logs?build={mark}").status_code == 400


def test_releases_are_listed_newest_first_in_pages_and_by_target(world):
    world.live()
    world.push({"serve.py": "2"})
    world.settle()
    names = [one["name"] for one in get(world, "releases").json["releases"]]
    assert names == ["rel-2", "rel-1"]
    assert [r["name"] for r in get(world, "releases?before=rel-2").json["releases"]] == ["rel-1"]
    assert [r["name"] for r in get(world, "releases?open=1").json["releases"]] == ["rel-2"]
    assert get(world, "releases?target=beer/production").json["releases"] == []


def test_sources_models_and_dead_work_are_shown_without_any_secret(world):
    world.live()
    world.hook("git", "no object")
    world.settle()
    assert get(world, "sources").json["sources"][0] == {
        "name": "git",
        "kind": "bare",
        "url": "memory",
        "owns": ["*"],
        "tone": "answers",
        "says": "Looked at",
        "since": 1_700_000_010.0,
    }
    assert get(world, "models").json["models"][0]["name"] == "wine"
    assert get(world, "events?failed=1").json["events"][0]["kind"] == "delivery"
    everything = b"".join(get(world, path).data for path in PATHS)
    assert b"secret" not in everything


def test_a_command_without_an_answer_yet_says_null(world):
    assert get(world, "commands/7").json == {"answer": None}
