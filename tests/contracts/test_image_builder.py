"""What every image builder promises."""

import time

import pytest

from service import plugins
from service.adapters.oci.blobs import exclusive
from service.ports.builds import Image, Recipe
from service.ports.outcomes import Failed, Gone, Working
from service.settings import Settings


@pytest.fixture(params=["memory", "oci"])
def builder(request, tmp_path):
    yield plugins.load("image_builders", request.param).open(Settings(home=tmp_path / "home"))
    for running in (tmp_path / "home" / "builds").glob("*/running"):
        with exclusive(running):  # its process has ended
            pass


def recipe(name="wine-1", lock=None, port=8080):
    run = ("python", "-c", "print('hello')")
    return Recipe(name, None, None, lock, run, port, (("segue.model", "wine"),))


def finished(builder, name):
    deadline = time.monotonic() + 60
    while isinstance(state := builder.state(name), Working):
        assert time.monotonic() < deadline, builder.logs(name)
        time.sleep(0.02)
    return state


def test_it_says_what_it_can_do(builder):
    assert "lock" in builder.capabilities


def test_a_build_that_was_never_started_is_gone(builder):
    assert builder.state("nobody") == Gone()
    assert builder.logs("nobody") == ""
    builder.cancel("nobody")


def test_a_build_is_started_then_observed_and_ends_with_a_digest(builder):
    builder.start(recipe())
    assert isinstance(builder.state("wine-1"), Working | Image)
    image = finished(builder, "wine-1")
    assert isinstance(image, Image)
    assert image.digest.startswith("sha256:")
    assert {how for _, how in image.layers} <= {"built", "cached"}
    assert {"base", "env"} <= {kind for kind, _ in image.layers}


def test_what_a_build_prints_is_read_once(builder):
    assert builder.read_on("wine-1", "").text == ""
    builder.start(recipe())
    finished(builder, "wine-1")
    found = builder.read_on("wine-1", "")
    assert found.text == builder.logs("wine-1")
    assert found.text
    assert builder.read_on("wine-1", found.mark).text == ""


def test_starting_again_changes_nothing(builder):
    builder.start(recipe())
    builder.start(recipe())
    image = finished(builder, "wine-1")
    builder.start(recipe())
    assert builder.state("wine-1") == image


def test_the_same_content_under_another_name_has_the_same_digest(builder):
    builder.start(recipe("wine-1"))
    builder.start(recipe("wine-2"))
    builder.start(recipe("wine-3", port=9000))
    one, two, three = (finished(builder, name) for name in ("wine-1", "wine-2", "wine-3"))
    assert one.digest == two.digest != three.digest


def test_a_build_that_fails_says_why_and_can_be_started_anew(builder):
    for _ in range(2):
        builder.start(recipe(lock="requirements.lock"))
        failed = finished(builder, "wine-1")
        assert isinstance(failed, Failed)
        assert "there is no lock file 'requirements.lock'" in failed.reason
    builder.start(recipe())
    assert isinstance(finished(builder, "wine-1"), Image)


def test_a_cancelled_build_has_failed_or_was_already_finished(builder):
    builder.start(recipe())
    builder.cancel("wine-1")
    state = builder.state("wine-1")
    assert state == Failed("the build was cancelled", builder.logs("wine-1")) or isinstance(
        state, Image | Failed
    )
    builder.start(recipe())
    assert isinstance(finished(builder, "wine-1"), Image)


def test_odd_names_do_not_meet(builder):
    for name in ("../../wine", "a/b", "a b"):
        builder.start(recipe(name))
    for name in ("../../wine", "a/b", "a b"):
        assert isinstance(finished(builder, name), Image)
    assert builder.state("a_b") == Gone()


def test_tidying_keeps_what_is_to_be_kept(builder):
    builder.start(recipe())
    image = finished(builder, "wine-1")
    builder.tidy(frozenset({image.digest}), 30 * 86_400.0)
    assert builder.state("wine-1") == image
