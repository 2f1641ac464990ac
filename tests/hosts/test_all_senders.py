"""One installation beside a real Gitea, a real MLflow and a real Distribution: each tells of a change by itself, and
each change is one release, however often it is told.

No sweep comes while the test runs, so a release can only have begun by what the servers sent.
"""

import subprocess
import time

import pytest
import requests
from uv import find_uv_bin

from service.demo.place import segue
from service.machine import installation
from service.store.store import Store
from tests import imaging
from tests.hosts.whole import NEVER, SECONDS, OnGitea, eventually
from tests.imaging import Images, ImageServer
from tests.registering import Publisher, constant, new_name

CHURN = """\
name: churn
model: models:/{model}@challenger
serve: mlflow
resources: {{cpu: 0.5, memory: 512Mi}}
warm_up: 0s
watch: 2s
"""
LTV = """\
name: ltv
image: {host}/acme/ltv:main-*
serve: none
"""
SENDERS = ("models", "registry", "images")  # the names of the sources
CACHED_SECONDS = 1.1  # as long as the MLflow server keeps its list of webhooks


@pytest.fixture
def distribution(tmp_path):
    """A registry that notifies nobody yet."""
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    server = ImageServer(tmp_path / "distribution")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def here(gitea, tmp_path):
    cache = subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True)
    made = OnGitea(gitea, tmp_path / "segue", SEGUE_SWEEP_SECONDS=NEVER, UV_CACHE_DIR=cache.stdout.strip())
    try:
        made.connect(gitea.token())
        yield made
    finally:
        made.installation.end()


def connect_registry(here, server):
    """Connect it, and write into its configuration what the command printed; then start it anew."""
    told = segue(here.installation.place, "connect", "registry", server.url, "--name", "images")
    hook = f"{installation.place(here.installation.settings).intake}/hooks/images"
    secret = here.installation.place.home / "secrets" / "hook-images"
    assert hook in told
    assert str(secret) in told
    server.stop()
    server.tell(hook, secret.read_text().strip())
    server.start()


def declare(here, **files):
    """Push the model of code, and beside it a folder for each of the others; the commit."""
    for name, text in files.items():
        (here.installation.place.work / name).mkdir()
        (here.installation.place.work / name / "segue.yaml").write_text(text)
    return here.installation.push(1)


def newest_seen(here):
    """The tags that Segue knows to be the newest."""
    store = Store.open(here.installation.settings.store_url("engine"))
    try:
        return [cursor.value.partition("@")[0] for cursor in store.cursors("images") if cursor.value]
    finally:
        store.close()


def every_release(here):
    """All releases by their models."""
    every = here.installation.client.releases().page().rows
    return {one["target"].partition("/")[0]: one for one in every}, len(every)


def promoted(here, model):
    """The model's release, once it has ended as it should."""
    eventually(lambda: model in every_release(here)[0])
    release = here.installation.ended(every_release(here)[0][model]["name"], SECONDS)
    assert release["phase"] == "promoted", segue(here.installation.place, "show", release["name"])
    return release


def deliveries(here, source):
    """What came in from the source and was handled, newest first."""
    events = here.installation.client.events(source=source).page().rows
    assert all(one["state"] != "dead" for one in events), events
    return [one for one in events if one["kind"] == "delivery"]


def begun_by(here, source, release):
    """The delivery whose change the release followed from, and the change."""
    events = here.installation.client.events(source=source).page().rows
    (change,) = (one["id"] for one in events if release in one["led"])
    (delivery,) = (one for one in deliveries(here, source) if change in one["led"])
    return delivery["id"], change


def replay(here, source, delivery, change):
    """Handle it again, and wait until its source was asked and told of nothing that the delivery is about."""
    segue(here.installation.place, "replay-event", delivery)

    def handled():
        (found,) = (one for one in deliveries(here, source) if one["id"] == delivery)
        return (found["text"] or "").startswith("the source was asked: ") and change not in found["led"]

    eventually(handled)


def champion(server, model):
    """The version that the alias names for the model's users; None where there is none."""
    asked = {"name": model, "alias": "champion"}
    told = requests.get(f"{server.url}/api/2.0/mlflow/registered-models/alias", params=asked, timeout=30)
    return told.json().get("model_version", {}).get("version")


@pytest.mark.timeout(600)  # an environment is installed
def test_a_push_an_alias_and_an_image_are_told_by_their_servers_and_are_one_release_each(
    here, mlflow_server, distribution
):
    publisher, model, images = Publisher(mlflow_server.url), new_name("churn"), Images(distribution.url)
    images.push("acme/ltv", "main-1", "one")
    connect_registry(here, distribution)
    told = segue(here.installation.place, "connect", "mlflow", mlflow_server.url, "--name", "registry")
    assert "webhook: " in told
    commit = declare(here, churn=CHURN.format(model=model), ltv=LTV.format(host=distribution.host))

    pushed = promoted(here, "echo")
    assert pushed["cause"] == f"push of {commit[:12]} to main"
    eventually(lambda: newest_seen(here) == ["main-1"])
    time.sleep(CACHED_SECONDS)
    version = publisher.register(model, constant(1))
    publisher.post("registered-models/alias", name=model, alias="challenger", version=version)
    digest = images.push("acme/ltv", "main-2", "two")

    image = promoted(here, "ltv")
    assert image["cause"] == f"{distribution.host}/acme/ltv:main-2 is the newest matching tag"
    assert image["image"] == digest
    alias = promoted(here, "churn")
    assert alias["cause"] == f"{model}@challenger now names version {version}"
    eventually(lambda: champion(mlflow_server, model) == version)

    for source, release in zip(SENDERS, (pushed, alias, image), strict=True):
        replay(here, source, *begun_by(here, source, release["name"]))
    assert every_release(here)[1] == len(SENDERS)
