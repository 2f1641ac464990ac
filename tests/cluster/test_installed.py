"""Segue installed by its chart: real pushes end in traffic that shifts, and its rights are those it used.

The rights are tested against the API server's audit log of that run.
"""

import pytest

from tests.cluster import audit
from tests.cluster.helm import rendered
from tests.cluster.installed import ROOT, Installed
from tests.cluster.load import Load
from tests.cluster.pushes import first_version, good_and_bad
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
    first = first_version(control)
    with Load(control.target("echo/production")["address"]) as load:
        begun, good, bad = good_and_bad(control, load, first)
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")

    control.say("doctor", "--cluster", "here")
    if (log := audit.log_of(kubeconfig)).is_file():
        assert audit.check(log, rendered(given, release.namespace), release.namespace) > 0
    assert load.story(begun) == ""
    assert load.counts()[bad["backend"], 500] <= 40
    assert set(load.counts(after + SETTLED)) == {(good["backend"], 200)}
