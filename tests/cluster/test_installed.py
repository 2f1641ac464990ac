"""Segue installed by its chart: real pushes end in traffic that shifts, and its rights are those it used.

The rights are tested against the API server's audit log of that run.
"""

import pytest

from tests.cluster import audit
from tests.cluster.helm import rendered
from tests.cluster.installed import ROOT, Installed
from tests.cluster.load import Load
from tests.cluster.test_releases import push
from tests.cluster.whole import SETTLED, eventually

pytestmark = pytest.mark.whole


def values(image, volume, images, gateway):
    """What a person says who installs it beside a Gateway and a registry."""
    return {
        "image": image,
        "persistence": volume,
        "images": f"http://{images.registry}/built",
        "base": f"http://{images.base()}",
        "cluster": {
            "gateway": "/".join(gateway.reference),
            "address": gateway.url,
            "metrics": gateway.metrics,
        },
        "env": [{"name": "SEGUE_GIT_ROOTS", "value": ROOT}],
    }


def test_pushes_to_an_installed_segue_shift_traffic_and_use_no_right_that_it_has_not(
    kubeconfig, kubectl, release, images, gateway, volume, segue_image, tmp_path
):
    given = values(segue_image, volume, images, gateway)
    release.install(given)
    control = Installed(kubectl, release.namespace, tmp_path / "work")
    control.connect()
    push(control, 1)
    first = control.outcome(control.next_release("echo"))
    assert first["phase"] == "promoted", control.say("show", first["name"])
    with Load(control.target("echo/production")["address"]) as load:
        eventually(lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer")
        begun = load.now()
        push(control, 2)
        good = control.outcome(control.next_release("echo", after=["rel-1"]))
        assert good["phase"] == "promoted", control.say("show", good["name"])
        assert good["proven"]

        push(control, 3, every=5)
        bad = control.outcome(control.next_release("echo", after=["rel-1", "rel-2"]))
        assert bad["phase"] == "rolled back", control.say("show", bad["name"])
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")

    control.say("doctor", "--cluster", "here")
    if (log := audit.log_of(kubeconfig)).is_file():
        assert audit.check(log, rendered(given, release.namespace), release.namespace) > 0
    assert load.story(begun) == ""
    assert load.counts()[bad["backend"], 500] <= 40
    assert set(load.counts(after + SETTLED)) == {(good["backend"], 200)}
