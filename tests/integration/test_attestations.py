"""What a build says of its image, signed by whoever did not build it, and where cosign looks for it."""

import base64
import json
import time
from types import SimpleNamespace

import pytest
import requests

from policies import version
from policies.events import BuildFinished
from policies.trust import STATEMENT, signed_bytes
from policies.version import CodeOrigin
from service import keys
from service.adapters.oci import bill
from service.adapters.oci.attaching import Document, attach
from service.adapters.oci.attestations import ENVELOPE
from service.adapters.oci.builder import OciBuilder
from service.adapters.oci.remote import Remote
from service.adapters.oci.signatures import OciSignatures
from service.engine import trusting
from service.ports.builds import Image, Recipe
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry, Working
from service.segue_yaml import check
from service.settings import Settings
from tests.imaging import MANIFEST
from tests.integration.test_signatures import COSIGN, cosign
from tests.registering import new_name

WINE = b"name: wine\nbuild: {lock: requirements.lock}\nserve: {run: python serve.py}\n"
KEY, SECOND = keys.new(), keys.new()


class World:
    """An image that Segue built and pushed, the version that it is of, and the registry's attestations."""

    def __init__(self, home, registry):
        self.registry, self.model = registry, new_name("wine")
        self.settings = Settings(home=home, images=f"{registry.url}/built")
        self.name, self.image = f"built/{self.model}", self._built()
        (home / "secrets").mkdir(exist_ok=True)
        (home / "secrets" / "signing-key").write_bytes(KEY)
        (model,) = check(WINE.replace(b"wine", self.model.encode()), "").models
        begun, _ = version.begin(model, CodeOrigin("models", "c" * 40, "", "t" * 40), None)
        told = BuildFinished("build-1", self.image.digest, (), 0.0, documents=self.image.documents)
        self.version, _ = version.advance(begun, told)
        self.signatures = OciSignatures.open(self.settings, Source("images", "registry", registry.url))
        self.parts = SimpleNamespace(settings=self.settings, open_signatures=lambda _: self.signatures)

    def _built(self):
        builder = OciBuilder.open(self.settings)
        labels = (("segue.model", self.model),)
        builder.start(Recipe("wine-1", None, None, None, ("python", "-V"), 8080, labels))
        until = time.monotonic() + 60
        while isinstance(state := builder.state("wine-1"), Working):
            assert time.monotonic() < until, builder.logs("wine-1")
            time.sleep(0.02)
        assert isinstance(state, Image), builder.logs("wine-1")
        return state

    def attest(self):
        trusting.attest(self.parts, self.version)
        return self.signatures.attestations.attested(self.name, self.image.digest)

    def under_the_tag(self):
        tag = f"{self.image.digest.replace(':', '-')}.att"
        path = f"{self.registry.url}/v2/{self.name}"
        answer = requests.get(f"{path}/manifests/{tag}", headers={"Accept": MANIFEST}, timeout=10)
        layers = answer.json().get("layers") or []
        return [(one, requests.get(f"{path}/blobs/{one['digest']}", timeout=10).json()) for one in layers]

    def attached(self, document):
        """Somebody else attaches something to the image; its digest."""
        remote = Remote(self.registry.url, None, actions="pull,push", seconds=(5, 5), store="")
        subject = {"mediaType": MANIFEST, "digest": self.image.digest, "size": 1}
        return attach(remote, self.name, subject, document)


@pytest.fixture
def world(tmp_path, image_registry):
    return World(tmp_path, image_registry)


def verifies(pem, one):
    return keys.signed_by(keys.trusted(pem), signed_bytes(one.kind, one.payload), one.signature)


def test_packages_and_provenance_are_signed_once_where_cosign_looks(world):
    found = world.attest()
    assert world.attest() == found
    told = [json.loads(one.payload) for one in found]
    assert [one["predicateType"] for one in told] == [bill.PACKAGES, bill.PROVENANCE]
    digest = {"sha256": world.image.digest.removeprefix("sha256:")}
    assert [[subject["digest"] for subject in one["subject"]] for one in told] == [[digest], [digest]]
    assert told[0]["predicate"]["bomFormat"] == "CycloneDX"
    assert {one.kind for one in found} == {STATEMENT}
    assert all(verifies(keys.public(KEY), one) for one in found)
    assert not any(verifies(keys.public(SECOND), one) for one in found)
    layers = world.under_the_tag()
    assert [layer["mediaType"] for layer, _ in layers] == [ENVELOPE, ENVELOPE]
    assert [layer["annotations"]["predicateType"] for layer, _ in layers] == [bill.PACKAGES, bill.PROVENANCE]
    assert [base64.b64decode(envelope["payload"]) for _, envelope in layers] == [one.payload for one in found]


def test_a_new_key_signs_again_beside_the_old_one(world):
    world.attest()
    (world.settings.home / "secrets" / "signing-key").write_bytes(SECOND)
    found = world.attest()
    assert len(found) == 4
    assert [verifies(keys.public(SECOND), one) for one in found] == [False, False, True, True]


def test_without_a_key_nothing_is_signed(world):
    (world.settings.home / "secrets" / "signing-key").unlink()
    assert world.attest() == ()


def test_what_the_build_did_not_tell_of_is_not_signed_whoever_attached_it(world):
    world.attached(Document(bill.CYCLONEDX, {"bomFormat": "CycloneDX", "components": []}))
    assert len(world.attest()) == 2


@pytest.mark.parametrize(
    "document",
    [
        Document("application/json", {"a": 1}),
        Document(bill.IN_TOTO, {"subject": []}),
        Document(
            bill.IN_TOTO, {"predicateType": bill.PROVENANCE, "subject": [{"digest": {"sha256": "1" * 64}}]}
        ),
        Document(bill.IN_TOTO, {"predicateType": "https://sigstore.dev/cosign/sign/v1", "subject": "ours"}),
    ],
    ids=["no document", "about nothing", "about another image", "a signature"],
)
def test_a_document_that_says_something_else_is_not_signed(world, document):
    if document.content.get("subject") == "ours":
        digest = {"sha256": world.image.digest.removeprefix("sha256:")}
        document.content["subject"] = [{"name": "", "digest": digest}]
    attestations = world.signatures.attestations
    assert attestations.statement(world.name, world.image.digest, world.attached(document)) is None
    assert attestations.statement(world.name, "sha256:" + "1" * 64, world.image.documents[0]) is None


def test_an_attestation_is_no_signature(world):
    world.attest()
    assert world.signatures.found(world.name, world.image.digest) == ()


def test_a_registry_that_may_not_be_written_stops_no_release_and_one_that_is_away_is_waited_for(world):
    class Closed:
        def __init__(self, error):
            self.attestations = self
            self._error = error

        def statement(self, *_):
            raise self._error

    world.signatures = Closed(Refused("read-only"))
    trusting.attest(world.parts, world.version)
    world.signatures = Closed(Retry("away"))
    with pytest.raises(Retry):
        trusting.attest(world.parts, world.version)


@pytest.mark.skipif(COSIGN is None, reason="cosign is not installed")
@pytest.mark.parametrize("kind", ["slsaprovenance1", "cyclonedx"])
def test_cosign_verifies_what_segue_attested(world, tmp_path, kind):
    world.attest()
    reference = f"{world.registry.host}/{world.name}@{world.image.digest}"
    for name, key in (("ours", KEY), ("other", SECOND)):
        (tmp_path / f"{name}.pub").write_bytes(keys.public(key))
    words = (
        "verify-attestation",
        "--insecure-ignore-tlog=true",
        "--allow-http-registry",
        "--type",
        kind,
        "--key",
    )
    code, said = cosign(tmp_path, *words, "ours.pub", reference)
    assert code == 0, said
    assert cosign(tmp_path, *words, "other.pub", reference)[0] != 0
