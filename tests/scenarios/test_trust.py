"""Images and the trust policy: what is not signed never starts, what is signed goes on, at any moment of it."""

from dataclasses import replace

import pytest

from policies import trust
from policies.release import Phase
from policies.trust import SIMPLE, Signature
from service import keys, plugins, sources
from service.adapters.memory.images import MemoryImages
from service.adapters.memory.signatures import MemorySignatures
from service.bootstrap import Site
from service.engine import trusting
from service.performing.images import SIGNED_LATER
from service.ports.connections import Cluster, Source
from service.showing import printed
from service.store.states import version_of
from tests.imaging import Images
from tests.registering import new_name
from tests.scenarios.conftest import WINE, World

FRAUD = """\
name: fraud
image: ghcr.io/acme/fraud:main-*
serve: {port: 8080}
strategy: bluegreen
warm_up: 0s
watch: 10s
"""
APPROVED = FRAUD + "approvals: {count: 1, from: [ann, bob]}\n"
KEY, OTHER = keys.new(), keys.new()


class Trusting(World):
    """With a cluster, a registry of images that others build, and the signatures there."""

    def __init__(self, home, rules, **settings):
        super().__init__(home, trust=rules, **settings)
        self.signatures = MemorySignatures()
        self.parts.open_signatures = lambda _: self.signatures
        site = Site(self.workloads, self.jobs, self.router, self.metrics, lambda *_: "asked")
        self.parts.open_site = lambda *_: site
        with self.store.change() as change:
            change.save_cluster(Cluster("prod", namespace="ml", default=True))
        self.images = self.connect(Source("ghcr", "registry", "https://ghcr.io"), MemoryImages())

    def secret(self, name, content):
        (self.settings.home / "secrets").mkdir(exist_ok=True)
        (self.settings.home / "secrets" / name).write_bytes(content)

    def sign(self, digest, key=KEY, repository="acme/fraud"):
        text = trust.payload(f"ghcr.io/{repository}", digest)
        self.signatures.add(repository, digest, Signature(SIMPLE, text, keys.sign(key, text)))

    def ci(self, tag, *signing):
        """Others build, push and sign; a sweep finds it, and they have had their time. The digest."""
        digest = self.images.push("acme/fraud", tag, tag)
        for key in signing:
            self.sign(digest, key)
        self.clock.now += self.settings.sweep_seconds
        self.settle()
        if KEY not in signing:
            self.clock.now += SIGNED_LATER
            self.settle()
        return digest

    def declared(self, text=FRAUD):
        self.push({"fraud/segue.yaml": text})
        self.settle()
        return self


@pytest.fixture
def made(tmp_path, stores):
    worlds = []

    def make(rules, **settings):
        worlds.append(Trusting(tmp_path, rules, **stores, **settings))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(made):
    world = made("keys")
    world.secret("trusted-keys", keys.public(KEY))
    return world.declared()


def last(world):
    return world.releases()[-1]


@pytest.mark.every_store
def test_an_unsigned_image_is_refused_with_what_to_do_and_once_signed_it_goes_on(world):
    digest = world.ci("main-1")
    assert last(world).phase is Phase.FAILED
    assert last(world).reason == (
        f"ghcr.io/acme/fraud@{digest} may not serve here: it has no signature, and SEGUE_TRUST wants one by"
        f" `keys` ({keys.name(*keys.trusted(keys.public(KEY)))}). Sign it: cosign sign --key <private key>"
        f" ghcr.io/acme/fraud@{digest}; then try again: segue retry"
    )
    assert world.workloads.running == ()
    world.sign(digest)
    assert world.say("retry", "rel-1").ok
    world.play(40, until="rel-2")
    assert (last(world).phase, last(world).image) == (Phase.PROMOTED, digest)


def test_what_another_key_signed_is_refused_and_the_one_that_serves_goes_on_serving(world):
    good = world.ci("main-1", KEY)
    world.play(40, until="rel-1")
    assert last(world).phase is Phase.PROMOTED
    served = world.weights("fraud/production")
    world.ci("main-2", OTHER)
    assert last(world).phase is Phase.FAILED
    assert "none by a trusted key" in last(world).reason
    assert world.weights("fraud/production") == served
    assert world.target("fraud/production").stable.image == good


def test_what_is_signed_after_it_was_pushed_goes_on_by_itself(world):
    digest = world.images.push("acme/fraud", "main-1", "one")
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert (last(world).phase, world.workloads.running) == (Phase.PENDING, ())
    world.settle(12)
    assert last(world).waits.startswith("looks again for 5 minutes: ghcr.io/acme/fraud@")
    world.sign(digest)
    world.settle(12)
    assert not last(world).waits
    world.play(40, until="rel-1")
    assert last(world).phase is Phase.PROMOTED


def test_a_registry_that_is_away_is_waited_for_and_never_taken_for_a_yes(world):
    world.signatures.away = "connection refused"
    digest = world.images.push("acme/fraud", "main-1", "one")
    world.clock.now += world.settings.sweep_seconds
    world.settle(120)
    assert (last(world).phase, world.workloads.running) == (Phase.PENDING, ())
    world.signatures.away = None
    world.sign(digest)
    world.settle(60)
    world.play(40, until="rel-1")
    assert last(world).phase is Phase.PROMOTED


def test_it_is_asked_again_when_the_workload_starts(made):
    world = made("keys")
    world.secret("trusted-keys", keys.public(KEY))
    world.declared(APPROVED)
    world.ci("main-1", KEY)
    assert last(world).phase is Phase.APPROVAL
    world.secret("trusted-keys", keys.public(OTHER))  # meanwhile nobody trusts that key any more
    assert world.say("approve", "rel-1", who="ann").ok
    world.settle()
    assert last(world).phase is Phase.FAILED
    assert "none by a trusted key" in last(world).reason
    assert world.workloads.running == ()


def test_what_serves_already_is_not_asked_when_it_is_rolled_back_to(world):
    for tag in ("main-1", "main-2"):
        world.ci(tag, KEY)
        world.play(60, until=last(world).name)
        assert last(world).phase is Phase.PROMOTED
    first, second = world.releases()
    world.secret("trusted-keys", keys.public(OTHER))
    assert world.say("rollback", "fraud").ok
    world.play(60, until=last(world).name)
    assert last(world).phase is Phase.PROMOTED
    assert world.target("fraud/production").stable.image == first.image != second.image


@pytest.mark.parametrize("content", [None, b"", b"no key", KEY])
def test_a_policy_without_its_keys_lets_nothing_through(world, content):
    """And does not wait: no signature would help."""
    (world.settings.home / "secrets" / "trusted-keys").unlink()
    if content is not None:
        world.secret("trusted-keys", content)
    world.ci("main-1", KEY)
    assert last(world).phase is Phase.FAILED
    assert "secret file trusted-keys" in last(world).reason
    assert "PRIVATE" not in last(world).reason


def test_a_policy_is_for_the_images_that_its_glob_names(made):
    world = made("ghcr.io/other/*=keys,off").declared()
    world.ci("main-1")
    assert last(world).phase is not Phase.FAILED


# --- what Segue builds -----------------------------------------------------------------------


@pytest.fixture
def builds(made):
    """Rules to a world that builds, pushes, signs and serves in a cluster."""

    def make(rules, **secrets):
        base = "https://registry.example/python@sha256:0"
        world = made(rules, images="https://registry.example/models", base=base)
        for name, content in secrets.items():
            world.secret(name.replace("_", "-"), content)
        world.push({"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"})
        world.settle()
        return world

    return make


def image_of(world):
    return version_of(world.store.version(last(world).version)).image


def test_what_segue_builds_is_signed_once_and_trusted_as_ours(builds):
    world = builds("ours", signing_key=KEY)
    world.play(40, until="rel-1")
    assert last(world).phase is Phase.PROMOTED
    (signature,) = world.signatures.found("models/wine", image_of(world))
    assert keys.signed_by(keys.trusted(keys.public(KEY)), signature.payload, signature.signature)
    assert b"registry.example/models/wine" in signature.payload


def test_without_a_policy_it_is_signed_all_the_same_and_without_a_key_nobody_is_asked(builds):
    world = builds("off", signing_key=KEY)
    assert len(world.signatures.found("models/wine", image_of(world))) == 1


def test_without_a_key_and_a_policy_no_registry_is_asked(builds):
    world = builds("off")
    world.signatures.away = "nobody may ask"
    world.play(40, until="rel-1")
    assert last(world).phase is Phase.PROMOTED


def test_ours_without_a_key_says_how_to_make_one_and_a_retry_signs(builds):
    world = builds("ours")
    assert last(world).phase is Phase.FAILED
    assert last(world).reason.endswith("make one: segue signing-key")
    world.secret("signing-key", KEY)
    before = printed.of_release(world.parts, last(world))["build"]
    assert before.startswith("building wine-")
    assert world.say("retry", "rel-1").ok
    world.play(40, until="rel-2")
    assert last(world).phase is Phase.PROMOTED
    # The retry built nothing anew: what made its image is shown.
    assert printed.of_release(world.parts, last(world))["build"] == before
    more = printed.behind(world.parts, last(world), {})
    assert more.logs["build"] == before
    assert printed.behind(world.parts, last(world), more.marks).logs["build"] == ""


def test_a_replaced_key_signs_anew_and_what_the_old_one_signed_is_still_ours(builds):
    world = builds("ours", signing_key=KEY, signing_key_before=keys.public(OTHER))
    kept = trusting.Kept(Source("images", "registry", ""), "models/wine", "registry.example/models/wine")
    old, text = MemorySignatures(), trust.payload(kept.name, image_of(world))
    old.add(kept.repository, image_of(world), Signature(SIMPLE, text, keys.sign(OTHER, text)))
    trusting.check(world.settings, old, kept, image_of(world))
    assert len(world.signatures.found("models/wine", image_of(world))) == 1


def test_keys_mean_those_alone_also_for_what_segue_builds(builds):
    world = builds("keys", signing_key=KEY, trusted_keys=keys.public(OTHER))
    assert last(world).phase is Phase.FAILED
    assert "none by a trusted key" in last(world).reason
    world.secret("trusted-keys", keys.public(OTHER) + keys.public(KEY))
    assert world.say("retry", "rel-1").ok
    world.play(40, until="rel-2")
    assert last(world).phase is Phase.PROMOTED


def test_the_image_of_its_weights_is_signed_and_asked_as_the_image_is(builds):
    world = builds("keys", signing_key=OTHER, trusted_keys=keys.public(KEY))
    version = version_of(world.store.version(last(world).version))
    with_weights = replace(version, weights=f"sha256:{'7' * 64}")
    repository = "models/wine"
    text = trust.payload(f"registry.example/{repository}", version.image)
    world.signatures.add(repository, version.image, Signature(SIMPLE, text, keys.sign(KEY, text)))
    trusting.vouch(world.parts, version)
    with pytest.raises(trusting.Untrusted, match=with_weights.weights):
        trusting.vouch(world.parts, with_weights)
    world.secret("trusted-keys", keys.public(OTHER))
    trusting.vouch(world.parts, with_weights)
    assert len(world.signatures.found(repository, with_weights.weights)) == 1


def test_an_image_that_others_built_is_never_signed_as_ours(made):
    world = made("ours")
    world.secret("signing-key", KEY)
    digest = world.declared().ci("main-1")
    assert last(world).phase is Phase.FAILED
    assert world.signatures.found("acme/fraud", digest) == ()


def test_what_never_went_to_a_registry_is_not_asked(made):
    world = made("ours")
    with world.store.change() as change:
        change.save_cluster(Cluster("prod", namespace="ml", default=False))
    world.push({"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"})
    world.settle()
    world.play(40, until="rel-1")
    assert last(world).phase is Phase.PROMOTED


# --- with a real registry --------------------------------------------------------------------


def test_in_a_real_registry_an_unsigned_image_is_refused_and_a_signed_one_goes_on(made, image_registry):
    world = made("keys")
    world.secret("trusted-keys", keys.public(KEY))
    repository = f"acme/{new_name('fraud')}"
    source = Source("real", "registry", image_registry.url)
    world.connect(source, sources.opened(world.settings, source))
    opened = plugins.load("image_signatures", "registry").open
    world.parts.open_signatures = lambda known: opened(world.settings, known)
    world.declared(FRAUD.replace("ghcr.io/acme/fraud", f"{image_registry.host}/{repository}"))
    digest = Images(image_registry.url).push(repository, "main-1", "one")
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    world.clock.now += SIGNED_LATER
    world.settle()
    assert "it has no signature" in last(world).reason
    text = trust.payload(f"{image_registry.host}/{repository}", digest)
    signature = Signature(SIMPLE, text, keys.sign(KEY, text))
    opened(world.settings, source).add(repository, digest, signature)
    assert world.say("retry", "rel-1").ok
    world.play(40, until="rel-2")
    assert (last(world).phase, last(world).image) == (Phase.PROMOTED, digest)
