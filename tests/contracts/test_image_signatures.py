"""What everything must do that keeps signatures of images: a real registry (Distribution), and memory."""

from dataclasses import dataclass
from typing import Any

import pytest

from service import keys, plugins
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.settings import Settings
from tests.imaging import Images
from tests.registering import new_name
from tests.running import free_port
from tests.signing import OTHER, enveloped, simple, statement

KEY, SECOND = keys.new(), keys.new()


@dataclass
class World:
    """Signatures, an image that may have some, and how their registry goes away."""

    signatures: Any
    image: Any  # (repository) -> digest
    away: Any  # () -> signatures in a registry that does not answer


@pytest.fixture(params=["memory", "registry"])
def world(request, tmp_path):
    settings, opened = Settings(home=tmp_path), plugins.load("image_signatures", request.param).open
    if request.param == "memory":
        signatures = opened(settings)

        def away():
            signatures.away = "connection refused"
            return signatures

        return World(signatures, lambda _: OTHER, away)
    server = request.getfixturevalue("image_registry")
    images = Images(server.url)
    nobody = Source("gone", "registry", f"http://127.0.0.1:{free_port()}")
    return World(
        opened(settings, Source("images", "registry", server.url)),
        lambda repository: images.push(repository, "main", "one"),
        lambda: opened(settings, nobody),
    )


@pytest.fixture
def name():
    return f"acme/{new_name('fraud')}"


def test_one_that_answers_is_there(world):
    world.signatures.check()


def test_an_image_without_any_has_none_and_neither_has_one_that_is_not_there(world, name):
    assert world.signatures.found(name, world.image(name)) == ()
    assert world.signatures.found(f"{name}-not", OTHER) == ()


def test_what_was_added_is_found_as_it_was_once_beside_the_others(world, name):
    image = world.image(name)
    first, second = simple(KEY, image), simple(SECOND, image)
    for signature in (first, second, first):
        world.signatures.add(name, image, signature)
    assert world.signatures.found(name, image) == (first, second)
    assert world.signatures.found(f"{name}-not", image) == ()


def test_an_attestation_is_found_as_it_was_once_and_is_no_signature(world, name):
    image = world.image(name)
    attestations = world.signatures.attestations
    first, second = (
        enveloped(key, statement(image, "https://slsa.dev/provenance/v1")) for key in (KEY, SECOND)
    )
    assert attestations.attested(name, image) == ()
    for one in (first, second, first):
        attestations.attest(name, image, one)
    assert attestations.attested(name, image) == (first, second)
    assert world.signatures.found(name, image) == ()
    assert attestations.statement(name, image, OTHER) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda signatures: signatures.attestations.statement("acme/fraud", OTHER, OTHER),
        lambda signatures: signatures.attestations.attested("acme/fraud", OTHER),
        lambda signatures: signatures.attestations.attest("acme/fraud", OTHER, enveloped(KEY)),
        lambda signatures: signatures.check(),
        lambda signatures: signatures.found("acme/fraud", OTHER),
        lambda signatures: signatures.add("acme/fraud", OTHER, simple(KEY)),
    ],
)
def test_one_that_does_not_answer_is_asked_again_later_and_never_says_that_there_are_none(world, ask):
    with pytest.raises(Retry):
        ask(world.away())
