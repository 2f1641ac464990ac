"""An image that the builder made runs as a job and as a workload, found by name like in production."""

import time
import urllib.request

import pytest

from service import plugins
from service.machine import shim
from service.ports.builds import Image, Recipe
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Working
from service.ports.workloads import Serving, WorkloadOrder
from service.settings import Settings

SERVE = (
    "import os, http.server as h\n"
    "h.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), h.SimpleHTTPRequestHandler).serve_forever()"
)
EVALUATE = "import json, os; json.dump({'accuracy': 0.75}, open(os.environ['SEGUE_RESULT'], 'w'))"


@pytest.fixture
def settings(tmp_path):
    yield Settings(home=tmp_path / "home")
    for kind in ("jobs", "workloads"):
        place = tmp_path / "home" / kind
        for folder in place.iterdir() if place.is_dir() else ():
            if folder.is_dir():
                shim.stop(folder, grace=0.1)


def settled(part, name):
    until = time.monotonic() + 60
    while isinstance(state := part.state(name), Working):
        assert time.monotonic() < until, part.logs(name)
        time.sleep(0.02)
    return state


def test_a_built_image_is_evaluated_and_served(settings):
    builder = plugins.load("image_builders", "oci").open(settings)
    builder.start(Recipe("app-1", None, None, None, ("python", "-c", SERVE), 8080))
    image = settled(builder, "app-1")
    assert isinstance(image, Image), builder.logs("app-1")

    jobs = plugins.load("job_runners", "process").open(settings)
    jobs.start(Job("app-1", image.digest, ("python", "-c", EVALUATE), Limits(1, 1 << 30, 60)))
    assert settled(jobs, "app-1") == Result((("accuracy", 0.75),)), jobs.logs("app-1")

    workloads = plugins.load("workloads", "process").open(settings)
    workloads.start(WorkloadOrder("app-1", image.digest, (), 8080, Limits(1, 1 << 30, 0), "/"))
    serving = settled(workloads, "app-1")
    assert isinstance(serving, Serving), (serving, workloads.logs("app-1"))
    with urllib.request.urlopen(serving.url) as answer:
        assert answer.status == 200
    workloads.stop("app-1")
