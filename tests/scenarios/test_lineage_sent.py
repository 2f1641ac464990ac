"""A server of lineage is told what happened to releases: each event once, in order, whatever ends in between."""

import http.server
import json
import threading
from dataclasses import replace

import pytest

from service.adapters.memory.lineage import MemoryLineage
from service.adapters.openlineage import OpenLineage
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.scenarios.conftest import World

ADDRESS = "https://marquez.example/api/v1/lineage"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, openlineage=ADDRESS)
    world.server = MemoryLineage()
    world.parts.open_lineage = lambda: world.server
    world.reconciler.round()
    yield world
    world.close()


def told(world, release):
    facets = [(event["eventType"], event["run"]["facets"]["segue_release"]) for event in world.server.events]
    return [(kind, facet["weight"]) for kind, facet in facets if facet["release"] == release]


def test_it_is_told_of_each_turn_as_it_happens(world):
    world.live()
    second = world.rollout().name
    world.settle(1.0)
    assert told(world, second)[:2] == [("START", 0.0), ("RUNNING", 10.0)]
    assert world.release(second).ended is None, "it is told before it has ended"
    world.play(400, until=second)
    world.settle(1.0)
    assert told(world, second)[-2:] == [("RUNNING", 100.0), ("COMPLETE", 100.0)]
    assert told(world, "rel-1")[-1] == ("COMPLETE", 100.0)


def test_no_address_that_it_is_told_holds_a_login(world):
    git = next(one for one in world.store.sources() if one.name == "git")
    with world.store.change() as change:
        change.save_source(replace(git, url="https://ann:very-secret@git.example/ml.git?key=very-secret"))
    world.live()
    world.settle(1.0)
    told = json.dumps(world.server.events)
    assert "https://(login)@git.example/ml.git" in told
    assert "very-secret" not in told


def test_it_is_told_the_same_as_by_hand(world):
    world.live()
    world.settle(1.0)
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    by_hand = world.web.get("/api/v1/releases/rel-1/lineage", headers=headers).text.splitlines()
    assert world.server.events == [json.loads(line) for line in by_hand]


def test_a_server_that_is_away_is_told_all_of_it_in_order_when_it_is_back_and_holds_nothing_up(world):
    class Away:
        def send(self, event):
            raise Retry("away", after=1.0)

    world.parts.open_lineage = Away
    world.live()
    world.parts.open_lineage = lambda: world.server
    world.settle(60.0)
    kinds = [kind for kind, _ in told(world, "rel-1")]
    assert (kinds[0], kinds[-1]) == ("START", "COMPLETE")
    assert kinds == sorted(kinds, key=["START", "RUNNING", "COMPLETE"].index)


def test_what_was_before_it_was_named_is_not_told(tmp_path):
    world = World(tmp_path)
    world.live()
    world.close()
    world = World(tmp_path, openlineage=ADDRESS)
    world.server = MemoryLineage()
    world.parts.open_lineage = lambda: world.server
    world.settle(1.0)
    assert world.server.events == []
    world.close()


# --- over HTTP -------------------------------------------------------------------------------


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made.asked, made.status = [], 201
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def opened(server, tmp_path):
    address = f"http://127.0.0.1:{server.server_port}/api/v1/lineage"
    (tmp_path / "secrets").mkdir(exist_ok=True)
    (tmp_path / "secrets" / "login-openlineage").write_text("a-token\n")
    return OpenLineage.open(Settings(home=tmp_path, openlineage=address))


def test_an_event_is_posted_with_the_login(server, tmp_path):
    opened(server, tmp_path).send(b'{"eventType": "START"}')
    assert server.asked == [("/api/v1/lineage", "Bearer a-token", {"eventType": "START"})]


@pytest.mark.parametrize(("status", "error"), [(503, Retry), (401, Refused), (400, Refused), (302, Refused)])
def test_what_it_answers_is_told_apart(server, tmp_path, status, error):
    server.status = status
    with pytest.raises(error, match=str(status)):
        opened(server, tmp_path).send(b"{}")
