"""A real MLflow server: its webhooks at a real intake, its files in real images, served for real."""

import json
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import requests
from uv import find_uv_bin
from waitress.server import create_server

from policies.events import AliasChanged
from service import plugins, sources
from service.adapters.oci.blobs import exclusive
from service.arrivals import connecting, receiving, watching
from service.bootstrap import Parts
from service.intake import Door, create_intake
from service.machine import installation, shim
from service.machine.serving import OPTIONS
from service.ports.builds import Image, ModelReference, Recipe
from service.ports.connections import Source
from service.ports.jobs import Limits
from service.ports.outcomes import Working
from service.ports.workloads import Serving, WorkloadOrder
from service.settings import Settings
from service.store.inbox import Inbox
from service.store.states import SOURCE_EVENT
from service.store.store import Store
from tests.conftest import MLFLOW
from tests.registering import Publisher, new_name
from tests.running import wait_until

FILES = {"MLmodel": b"flavors: {}\n", "deep/model.pkl": b"\x80" * 100}
EXAMPLE = Path(__file__).parents[2] / "examples" / "diabetes"


@pytest.fixture
def settings(tmp_path):
    found = Settings(home=tmp_path / "home")
    installation.make_folders(found.home)
    return found


@pytest.fixture
def source(mlflow_server):
    found = Source(new_name("reg"), "mlflow", mlflow_server.url)
    yield found
    for hook in hooks(found):  # or the server goes on calling an intake that has ended
        requests.delete(f"{found.url}/api/2.0/mlflow/webhooks/{hook['webhook_id']}", timeout=30)


@pytest.fixture
def parts(settings):
    def memory(port):
        return plugins.load(port, "memory").open(settings)

    store, inbox = Store.open(settings.store_url("engine")), Inbox.open(settings.store_url("inbox"))
    yield Parts(
        settings,
        store,
        inbox,
        memory("image_builders"),
        memory("job_runners"),
        memory("workloads"),
        memory("traffic_routers"),
        memory("metric_sources"),
        lambda source: sources.opened(settings, source),
    )
    store.close()
    inbox.close()


@pytest.fixture
def intake(settings, parts, source):
    """A real intake that knows the source; its address."""

    def door(name):
        secret = settings.secret(f"hook-{name}")
        return Door("mlflow", (secret,)) if name == source.name and secret else None

    server = create_server(
        create_intake(settings, parts.inbox, door, {}.get), host="127.0.0.1", port=0, **OPTIONS
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


def hooks(source):
    """The source's webhooks, as the server has them."""
    told = requests.get(f"{source.url}/api/2.0/mlflow/webhooks", timeout=30).json()
    return [hook for hook in told.get("webhooks", []) if source.name in hook["url"]]


def webhooks(source):
    """The addresses that the server calls for the source."""
    return [(hook["url"], hook["status"]) for hook in hooks(source)]


def events(parts, source):
    """The changes of aliases that became work, in their order."""
    found = [work for work in parts.store.work_of(source.name) if work.kind == "event"]
    return [SOURCE_EVENT.load(work.body) for work in sorted(found, key=lambda work: work.id)]


# --- webhooks -------------------------------------------------------------------------------


def test_connecting_again_or_from_another_port_leaves_one_webhook(settings, parts, source):
    for address in ("http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:10"):
        told = connecting.connect(settings, parts.store, source, address)
        assert told[-1] == f"webhook: {address.rstrip('/')}/hooks/{source.name}"
    assert webhooks(source) == [(f"http://127.0.0.1:10/hooks/{source.name}", "ACTIVE")]


def test_webhooks_of_ours_that_somebody_doubled_or_switched_off_are_mended(settings, parts, source):
    address = f"http://127.0.0.1:9/hooks/{source.name}"
    for name in ("by-hand", "by-hand"):
        other = [{"entity": "PROMPT", "action": "CREATED"}]
        told = {"name": name, "url": address, "status": "DISABLED", "events": other}
        Publisher(source.url).post("webhooks", **told)
    connecting.connect(settings, parts.store, source, "http://127.0.0.1:9")
    assert webhooks(source) == [(address, "ACTIVE")]


def test_a_server_that_calls_no_such_address_is_still_connected(settings, parts, source):
    told = connecting.connect(settings, parts.store, source, "gopher://127.0.0.1:9")
    assert "MLFLOW_WEBHOOK_ALLOWED_SCHEMES" in told[-1]
    assert "its sweep finds changes" in told[-1]
    assert source in parts.store.sources()


def test_each_move_of_an_alias_arrives_signed_and_becomes_one_event(settings, parts, source, intake):
    name, publisher = new_name(), Publisher(source.url)
    one, two = publisher.register(name, FILES), publisher.register(name, FILES)
    connecting.connect(settings, parts.store, source, intake)
    time.sleep(1.1)  # as long as the server keeps its list of webhooks
    registry = sources.opened(settings, source)

    def delivered():
        rows = parts.inbox.after(0)
        return [row for row in rows if json.loads(row.body)["data"].get("name") == name]

    for count, version in enumerate((two, one, two, None), 1):
        registry.set_alias(name, "challenger", version)
        wait_until(lambda count=count: len(delivered()) >= count)
        receive(parts)
        assert watching.look(parts, source) == 0  # the sweep finds nothing that the webhook did not tell

    assert {row.source for row in delivered()} == {source.name}
    changes = [(event.model, event.alias, event.version) for event in events(parts, source)
               if isinstance(event, AliasChanged) and event.model == name]  # fmt: skip
    assert changes == [(name, "challenger", version) for version in (two, one, two, None)]


def test_our_own_tags_and_lines_that_the_server_tells_of_start_nothing(settings, parts, source, intake):
    name, publisher = new_name(), Publisher(source.url)
    version = publisher.register(name, FILES)
    connecting.connect(settings, parts.store, source, intake)
    publisher.post(
        "webhooks",
        name="by-hand",
        url=f"{intake}/hooks/{source.name}",
        secret=settings.secret(f"hook-{source.name}").decode(),
        status="ACTIVE",
        events=[{"entity": "MODEL_VERSION_TAG", "action": action} for action in ("SET", "DELETED")],
    )
    time.sleep(1.1)  # as long as the server keeps its list of webhooks
    registry = sources.opened(settings, source)
    registry.describe(name, version, "churn/production", "rel-1 on churn/production is promoted")
    registry.set_tags(name, version, (("segue.result", "promoted"), ("segue.served_until", "")))

    def delivered():
        rows = [row for row in parts.inbox.after(0) if json.loads(row.body)["data"].get("name") == name]
        return [json.loads(row.body)["entity"] for row in rows]

    wait_until(lambda: len(delivered()) >= 2)
    receive(parts)
    assert set(delivered()) == {"model_version_tag"}
    assert watching.look(parts, source) == 0
    assert events(parts, source) == []


def receive(parts):
    """Every delivery that came in, taken and handled as a worker does."""
    receiving.take(parts.store, parts.inbox)
    while (work := parts.store.claim("test", kinds=["delivery"])) is not None:
        receiving.receive(parts, work)


# --- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("proxied", [True, False])
def test_files_are_read_wherever_the_server_keeps_them(settings, source, tmp_path, proxied):
    publisher = Publisher(source.url, None if proxied else tmp_path / "artifacts")
    name, copy = new_name(), new_name("copy")
    logged = publisher.register(name, FILES)
    from_run, run = publisher.register_from_run(name, FILES)
    publisher.version(copy, source=f"models:/{name}/{logged}")
    registry = sources.opened(settings, source)
    assert registry.version(name, from_run).run == run
    for model, version in ((name, logged), (name, from_run), (copy, "1")):
        listed = registry.files(model, version)
        assert listed == (("MLmodel", 12), ("deep/model.pkl", 100))
        assert {path: b"".join(registry.read(model, version, path)) for path, _ in listed} == FILES


# --- images ---------------------------------------------------------------------------------


def settled(part, name):
    until = time.monotonic() + 100
    while isinstance(state := part.state(name), Working):
        assert time.monotonic() < until, part.logs(name)
        time.sleep(0.05)
    return state


def trained(server, *options):
    """Runs the example's training script as its README says; what it printed."""
    environ = {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": "/usr/bin:/bin"}
    command = [str(MLFLOW), str(EXAMPLE / "train.py"), *options]
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def running(settings):
    yield plugins.load("workloads", "process").open(settings)
    for folder in (settings.home / "workloads").glob("*/"):
        shim.stop(folder, grace=0.1)
    for lock in (settings.home / "builds").glob("*/running"):
        with exclusive(lock):  # its process has ended
            pass


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_trained_model_is_built_served_and_followed_by_another_layer_only(
    settings, source, mlflow_server, running, monkeypatch
):
    cache = subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True)
    monkeypatch.setenv("UV_CACHE_DIR", cache.stdout.strip())  # holds what `make` downloaded
    assert "R² 0.491" in trained(mlflow_server)
    assert "diabetes@challenger now names version 2" in trained(
        mlflow_server, "--alpha", "5", "--alias", "challenger"
    )
    assert sources.opened(settings, source).aliases()["diabetes", "challenger"] == "2"

    sources.save(settings.home, (source,))
    builder = plugins.load("image_builders", "oci").open(settings)
    answers = []
    for version, env in (("1", "built"), ("2", "cached")):
        name = f"diabetes-{version}"
        model = ModelReference(source.name, "diabetes", version)
        builder.start(Recipe(name, None, model, None, ("mlflow",), 8080))
        image = settled(builder, name)
        assert isinstance(image, Image), builder.logs(name)
        assert image.layers == (("base", "cached"), ("env", env), ("model", "built"))

        running.start(WorkloadOrder(name, image.digest, (), 8080, Limits(1, 2 << 30, 0)))
        serving = settled(running, name)
        assert isinstance(serving, Serving), running.logs(name)
        answers.append(predicted(serving.url))
        running.stop(name)
    assert answers[0] != answers[1]
    assert all(50 < answer < 350 for answer in answers)


def predicted(url):
    rows = {"inputs": [[0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0.0, 0.02, -0.02]]}
    request = urllib.request.Request(f"{url}/invocations", json.dumps(rows).encode())
    with urllib.request.urlopen(request) as answer:
        (found,) = json.load(answer)["predictions"]
    return found
