"""A whole installation beside a real image registry: tags that are pushed there become releases."""

import pytest

from service.demo.place import segue
from service.store.store import Store
from tests import imaging
from tests.imaging import Images, ImageServer
from tests.installation import Installation
from tests.running import free_port, wait_until

LTV = """
name: ltv
image: {host}/acme/ltv:main-*
serve: none
approvals: {{count: 1, from: [operator]}}
"""
NEVER = "86000"  # seconds: after the first look no sweep comes while the test runs


@pytest.fixture
def installed(tmp_path):
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    port = free_port()
    made = Installation(
        tmp_path / "segue", "--broker", "none", SEGUE_INTAKE_PORT=str(port), SEGUE_SWEEP_SECONDS=NEVER
    )
    hook = f"http://127.0.0.1:{port}/hooks/images"
    secrets = made.place.home / "secrets"
    secrets.mkdir(parents=True, mode=0o700)
    (secrets / "hook-images").write_text("a-secret-of-the-test\n")
    server = ImageServer(tmp_path / "registry", tells=(hook, "a-secret-of-the-test"))
    try:
        made.start()
        made.connect()
        yield made, server.start()
    finally:
        server.stop()
        made.end()


def declare(made, text):
    (made.place.work / "segue.yaml").write_text(text)
    made.repository.commit("Follow the image")
    made.repository.push()


def seen(made):
    """The tags that Segue knows to be the newest."""
    store = Store.open(made.settings.store_url("engine"))
    try:
        return [cursor.value.partition("@")[0] for cursor in store.cursors("images") if cursor.value]
    finally:
        store.close()


@pytest.mark.timeout(240)
def test_a_pushed_tag_is_told_approved_and_promoted_by_its_digest(installed):
    made, server = installed
    images = Images(server.url)
    one = images.push("acme/ltv", "main-1", "one")
    told = segue(made.place, "connect", "registry", server.url, "--name", "images")
    assert f"source images (registry) at {server.url}" in told
    declare(made, LTV.format(host=server.host))
    wait_until(lambda: seen(made) == ["main-1"], 60)
    assert made.client.releases().page().rows == []

    two = images.push("acme/ltv", "main-2", "two")
    wait_until(lambda: made.client.releases().page().rows, 60)
    (release,) = made.client.releases().page().rows
    assert release["cause"] == f"{server.host}/acme/ltv:main-2 is the newest matching tag"
    assert release["author"] is None
    wait_until(lambda: made.client.release("rel-1")["release"]["phase"] == "approval", 60)
    segue(made.place, "approve", "rel-1")
    ended = made.ended("rel-1")
    assert (ended["phase"], ended["image"]) == ("promoted", two)

    started = made.client.command("start", "ltv", image=one)
    assert started["ok"], started
    wait_until(lambda: made.client.release(started["release"])["release"]["image"] == one, 60)
    assert "1 declared" in segue(made.place, "doctor", check=False)
