"""Images that others build: the newest matching tag is released by its digest, once for each change."""

import pytest

from policies.release import Phase
from service.adapters.memory.images import MemoryImages
from service.bootstrap import Site
from service.ports.connections import Cluster, Source
from service.store.states import version_of

FRAUD = """\
name: fraud
image: ghcr.io/acme/fraud:main-*
serve: {port: 8080}
strategy: bluegreen
warm_up: 0s
watch: 10s
"""
REPOSITORY = "acme/fraud"
DAY = 86_400.0


@pytest.fixture
def world(world):
    """With a cluster, where images run that others built."""
    world.parts.open_site = lambda *_: Site(
        world.workloads, world.jobs, world.router, world.metrics, lambda *_: "asked"
    )
    with world.store.change() as change:
        change.save_cluster(Cluster("prod", namespace="ml", default=True))
    return world


@pytest.fixture
def images(world):
    """A connected registry."""
    return world.connect(Source("ghcr", "registry", "https://ghcr.io"), MemoryImages())


def declared(world, text=FRAUD):
    world.push({f"{text.split()[1]}/segue.yaml": text})
    world.settle()


def swept(world):
    """A sweep later."""
    world.clock.now += world.settings.sweep_seconds
    world.settle()


def pushed(world, images, tag, content):
    """Somebody's CI pushes; a sweep finds it. The digest."""
    digest = images.push(REPOSITORY, tag, content)
    swept(world)
    return digest


def released(world):
    """The digests that were released, in order."""
    return [version_of(world.store.version(release.version)).image for release in world.releases()]


def test_a_new_tag_is_released_by_its_digest_and_the_release_says_which(world, images):
    declared(world)
    digest = pushed(world, images, "main-1", "one")
    world.play(40, until="rel-1")
    (release,) = world.releases()
    assert (release.phase, release.image) == (Phase.PROMOTED, digest)
    assert release.cause.text == "ghcr.io/acme/fraud:main-1 is the newest matching tag"
    assert release.cause.author is None
    assert world.builder._recipes == {}
    assert world.target("fraud/production").stable.image == digest


def test_what_is_there_when_a_model_is_declared_starts_nothing_and_the_next_tag_does(world, images):
    images.push(REPOSITORY, "main-1", "one")
    declared(world)
    swept(world)
    assert world.releases() == []
    assert released(world) == []
    two = pushed(world, images, "main-2", "two")
    assert released(world) == [two]


def test_what_is_there_when_a_registry_is_connected_starts_nothing_either(world):
    declared(world)
    images = MemoryImages()
    images.push(REPOSITORY, "main-1", "one")
    world.connect(Source("ghcr", "registry", "https://ghcr.io"), images)
    swept(world)
    assert world.releases() == []
    two = pushed(world, images, "main-2", "two")
    assert released(world) == [two]


def test_the_first_image_of_a_repository_that_was_declared_before_it_is_a_change(world, images):
    declared(world)
    one = pushed(world, images, "main-1", "one")
    assert released(world) == [one]


def test_an_older_tag_and_one_that_does_not_match_start_nothing(world, images):
    images.push(REPOSITORY, "main-10", "ten")
    declared(world)
    pushed(world, images, "main-9", "nine")
    pushed(world, images, "feature-11", "eleven")
    assert world.releases() == []


def test_a_tag_that_is_pushed_over_is_a_change_and_v2_v1_v2_is_three_of_two_versions(world, images):
    declared(world, FRAUD.replace("main-*", "production"))
    two, one, again = (pushed(world, images, "production", content) for content in ("v2", "v1", "v2"))
    assert released(world) == [two, one, again]
    assert two == again
    assert len({release.version for release in world.releases()}) == 2


def test_the_same_content_under_a_newer_tag_is_already_there(world, images):
    declared(world)
    pushed(world, images, "main-1", "one")
    world.play(40, until="rel-1")
    pushed(world, images, "main-2", "one")
    assert world.phases() == [Phase.PROMOTED, Phase.ALREADY_THERE]


def test_sweeps_and_notifications_that_tell_the_same_push_are_one_release(world, images):
    declared(world)
    images.push(REPOSITORY, "main-1", "one")
    event = {"action": "push", "target": {"repository": REPOSITORY, "tag": "main-1"}}
    headers = {"Authorization": "Bearer a-secret-of-the-test"}
    for _ in range(2):
        answer = world.intake.post("/hooks/ghcr", json={"events": [event]}, headers=headers)
        assert answer.status_code == 202
    assert answer.json["duplicate"]
    world.settle()
    assert len(world.releases()) == 1  # before any sweep
    for _ in range(3):
        swept(world)
    assert len(world.releases()) == 1


def test_a_notification_without_the_secret_is_refused(world, images):
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": "Basic a-secret-of-the-test"}):
        assert world.intake.post("/hooks/ghcr", json={"events": []}, headers=headers).status_code == 401


def test_a_tag_that_is_removed_starts_the_one_that_is_the_newest_then_and_the_last_one_nothing(world, images):
    one = images.push(REPOSITORY, "main-1", "one")
    declared(world)
    two = pushed(world, images, "main-2", "two")
    images.remove(REPOSITORY, "main-2")
    swept(world)
    assert released(world) == [two, one]
    images.remove(REPOSITORY, "main-1")
    swept(world)
    assert released(world) == [two, one]


def test_several_models_may_want_one_image_and_only_those_of_the_owner_get_it(world, images):
    world.connect(Source("ghcr", "registry", "https://ghcr.io", ("fraud/*", "spam/*")), images)
    for name in ("fraud", "spam", "ltv"):
        declared(world, FRAUD.replace("name: fraud", f"name: {name}"))
    pushed(world, images, "main-1", "one")
    assert sorted(release.model for release in world.releases()) == ["fraud", "spam"]
    refused = world.say("start", "ltv")
    assert not refused.ok
    assert "no image registry that may own ltv is connected" in refused.text


def test_a_model_that_is_declared_no_longer_starts_nothing_nor_does_it_when_it_comes_back(world, images):
    declared(world)
    pushed(world, images, "main-1", "one")
    world.push({"fraud/segue.yaml": None})
    world.settle()
    pushed(world, images, "main-2", "two")
    declared(world)
    swept(world)
    assert len(world.releases()) == 1


def test_where_tags_do_not_say_which_is_newest_the_images_do(world, images):
    images.push(REPOSITORY, "main-b0b", "one", 2 * DAY)
    declared(world)
    late = images.push(REPOSITORY, "main-a0a", "two", 3 * DAY)
    swept(world)
    images.push(REPOSITORY, "main-c0c", "three", DAY)
    swept(world)
    assert released(world) == [late]


def test_where_nothing_says_it_nobody_guesses_and_whoever_asks_is_told(world, images):
    images.push(REPOSITORY, "main-b0b", "one", 2 * DAY)
    declared(world)
    for tag in ("main-a0a", "main-c0c"):
        images.push(REPOSITORY, tag, tag, 3 * DAY)
    swept(world)
    assert world.releases() == []
    assert "let tags end with a number" in world.say("start", "fraud").text
    images.remove(REPOSITORY, "main-c0c")
    swept(world)
    assert released(world) == [images.digest(REPOSITORY, "main-a0a")]


def test_start_takes_the_newest_tag_or_the_image_of_a_digest(world, images):
    one = images.push(REPOSITORY, "main-1", "one")
    two = images.push(REPOSITORY, "main-2", "two")
    declared(world)
    assert world.say("start", "fraud").ok
    assert world.say("start", "fraud", image=one).ok
    assert released(world) == [two, one]
    texts = [release.cause.text for release in world.releases()]
    assert texts[0] == "bob started ghcr.io/acme/fraud:main-2, the newest matching tag"
    assert texts[1] == f"bob started ghcr.io/acme/fraud@{one[:19]}"
    assert world.say("start", "fraud", image=two[:19]).ok  # the beginning of one that was released here
    assert released(world)[2] == two


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": "sha256:" + "0" * 64}, "ghcr.io/acme/fraud has no image sha256:"),
        ({"image": "sha256:0123456789ab"}, "has no image 'sha256:0123456789ab' here"),
        ({"version": "7"}, "name an image by --image"),
        ({}, "no tag matches ghcr.io/acme/fraud:main-*"),
    ],
)
def test_what_cannot_be_started_is_said(world, images, given, said):
    declared(world)
    reply = world.say("start", "fraud", **given)
    assert not reply.ok
    assert said in reply.text


def test_only_pre_releases_are_nothing_to_start(world, images):
    images.push(REPOSITORY, "v2.0.0-rc.1", "one")
    declared(world, FRAUD.replace("main-*", "v*"))
    assert "only pre-releases match" in world.say("start", "fraud").text


def test_nobody_can_approve_but_those_who_are_named(world, images):
    declared(world, FRAUD + "approvals: {count: 1, from: [ann]}\n")
    pushed(world, images, "main-1", "one")
    assert world.phases() == [Phase.APPROVAL]
    assert not world.say("approve", "rel-1", who="bob").ok
    assert world.say("approve", "rel-1", who="ann").ok


def test_a_registry_that_is_away_is_asked_again_and_no_change_is_lost(world, images):
    declared(world)
    images.away = "connection refused"
    images.push(REPOSITORY, "main-1", "one")
    swept(world)
    assert world.releases() == []
    images.away = None
    world.settle(60)
    assert len(world.releases()) == 1


def test_one_repository_that_cannot_be_told_does_not_hold_up_the_others(world, images):
    declared(world)
    declared(world, FRAUD.replace("fraud", "spam"))
    for tag in ("main-a", "main-b"):
        images.push(REPOSITORY, tag, tag)
    images.push("acme/spam", "main-1", "one")
    swept(world)
    assert [release.model for release in world.releases()] == ["spam"]


def test_only_registries_that_have_a_declared_image_are_asked_for_it(world, images):
    other = world.connect(Source("quay", "registry", "https://quay.io"), MemoryImages())
    declared(world)
    swept(world)
    assert set(images.asked) == {REPOSITORY}
    assert other.asked == []


def test_a_version_of_somebody_elses_image_is_not_to_be_built_again_when_it_is_old(world, images):
    declared(world)
    one = pushed(world, images, "main-1", "one")
    for number in (2, 3):
        world.play(40, until=world.releases()[-1].name)
        pushed(world, images, f"main-{number}", f"content {number}")
    world.play(40, until="rel-3")
    world.clock.now += (world.settings.keep_days + 1) * DAY
    world.settle()
    (first, *_) = [version_of(row) for row in world.store.versions("fraud") if version_of(row).image == one]
    assert first.image == one
    assert world.say("start", "fraud", image=one[:19]).ok
