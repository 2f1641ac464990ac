"""What Segue builds runs in a cluster, and by the same digest on this machine."""

import sys
import time

import pytest

from service import plugins
from service.machine import shim
from service.ports.builds import Image, Recipe
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Working
from service.settings import Settings
from tests.cluster import interpreter
from tests.cluster.jobs_world import World
from tests.contracts.test_job_runner import end

EVALUATE = (
    "import json, os; print(os.environ['PYTHONPATH'], os.path.exists('/opt/segue/base/interpreter.json'));"
    "json.dump({'accuracy': 0.75}, open(os.environ['SEGUE_RESULT'], 'w'))"
)
NUMBERS = Result((("accuracy", 0.75),))


@pytest.fixture
def settings(tmp_path, registry, images):
    version = ".".join(map(str, sys.version_info[:3]))
    base = "http://" + images.python("python", {}, [], {"PYTHON_VERSION": version})
    yield Settings(home=tmp_path / "home", images=f"http://{registry}/built", base=base)
    for folder in (tmp_path / "home" / "jobs").glob("*/"):
        shim.stop(folder, grace=0.1)


def built(settings, name):
    builder = plugins.load("image_builders", "oci").open(settings)
    labels = (("segue.model", "wine"),)
    builder.start(Recipe(name, None, None, None, ("python",), 8080, labels))
    until = time.monotonic() + 120
    while isinstance(state := builder.state(name), Working):
        assert time.monotonic() < until, builder.logs(name)
        time.sleep(0.1)
    assert isinstance(state, Image), builder.logs(name)
    return state


def test_an_image_on_a_base_runs_in_a_cluster_and_on_this_machine(settings, kubeconfig, namespace):
    image = built(settings, "wine-1")
    repository = f"{settings.images.partition('://')[2]}/wine"
    world = World(kubeconfig, namespace, f"{repository}@{image.digest}")
    world.settle()
    world.jobs.start(Job("job", world.image, command(), Limits(0.2, 1 << 28, 60)))
    assert end(world) == NUMBERS
    assert world.jobs.logs("job") == "/opt/segue/env True\n"

    here = plugins.load("job_runners", "process").open(settings)
    here.start(Job("job", image.digest, ("python", *command()[1:]), Limits(1, 1 << 30, 60)))
    until = time.monotonic() + 60
    while isinstance(state := here.state("job"), Working):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert state == NUMBERS, here.logs("job")


def test_a_base_with_another_python_is_refused_by_the_build(settings, images):
    other = images.python("python", {}, [], {"PYTHON_VERSION": "3.6.1"})
    settings = Settings(home=settings.home, images=settings.images, base=f"http://{other}")
    with pytest.raises(AssertionError, match=r"has Python 3\.6\.1"):
        built(settings, "wine-2")


def command():
    return (str(interpreter.executable()), "-S", "-c", EVALUATE)
