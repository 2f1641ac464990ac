"""Signatures in a real registry: where cosign looks for them, what else may lie there, and cosign itself."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from policies import trust
from policies.trust import SIGNED, SIMPLE, Signature
from service import keys
from service.adapters.oci import bill
from service.adapters.oci.attaching import Document, attach
from service.adapters.oci.remote import Remote
from service.adapters.oci.signatures import MOST, OciSignatures
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests import imaging
from tests.answering import Server
from tests.imaging import CONFIG, LOGIN, MANIFEST, Images, ImageServer
from tests.registering import new_name
from tests.signing import IMAGE, bundle, enveloped, simple, statement

KEY, OTHER_KEY = keys.new(), keys.new()
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
RECORDED = json.loads((Path(__file__).parent / "recorded" / "cosign.json").read_text())
COSIGN = shutil.which("cosign")


@pytest.fixture
def signatures(tmp_path, image_registry):
    return OciSignatures.open(Settings(home=tmp_path), Source("images", "registry", image_registry.url))


@pytest.fixture
def images(image_registry):
    return Images(image_registry.url)


@pytest.fixture
def name():
    return f"signed/{new_name('wine')}"


def tag(digest):
    return f"{digest.replace(':', '-')}.sig"


def wrong(found, digest, *pems):
    known = [key for pem in pems for key in keys.trusted(pem)]
    return trust.why_not(found, digest, lambda text, sign: keys.signed_by(known, text, sign))


def test_a_signature_lies_where_the_specification_says_and_as_it_says(
    signatures, images, image_registry, name
):
    digest = images.push(name, "main", "one")
    ours = simple(KEY, digest)
    signatures.add(name, digest, ours)
    path = f"{image_registry.url}/v2/{name}"
    manifest = requests.get(
        f"{path}/manifests/{tag(digest)}", headers={"Accept": MANIFEST}, timeout=10
    ).json()
    payload = f"sha256:{hashlib.sha256(ours.payload).hexdigest()}"
    assert manifest["mediaType"] == MANIFEST
    assert manifest["layers"] == [
        {
            "mediaType": SIMPLE,
            "digest": payload,
            "size": len(ours.payload),
            "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(ours.signature).decode()},
        }
    ]
    config = requests.get(f"{path}/blobs/{manifest['config']['digest']}", timeout=10).json()
    assert config["rootfs"] == {"type": "layers", "diff_ids": [payload]}
    assert requests.get(f"{path}/blobs/{payload}", timeout=10).content == ours.payload


# --- what else may lie there -----------------------------------------------------------------


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        {},
        {"dev.cosignproject.cosign/signature": ""},
        {"dev.cosignproject.cosign/signature": "no base 64 !"},
        {"dev.cosignproject.cosign/signature": "Zm9v\n"},
    ],
)
def test_layers_that_are_no_signatures_are_passed_over_and_stay(signatures, images, name, annotations):
    digest = images.push(name, "main", "one")
    layer = images._blob(name, SIMPLE, b"{}")
    other = images._blob(name, "text/plain", b"a note")
    strange = [{**layer, **({} if annotations is None else {"annotations": annotations})}, other]
    images.manifest(name, tag(digest), MANIFEST, config=images._blob(name, CONFIG, b"{}"), layers=strange)
    assert signatures.found(name, digest) == ()
    signatures.add(name, digest, simple(KEY, digest))
    assert signatures.found(name, digest)[0].payload == simple(KEY, digest).payload
    assert signatures._beside.tagged(name, tag(digest))[:2] == strange


def test_an_index_under_the_tag_of_the_signatures_signs_nothing(signatures, images, name):
    digest = images.push(name, "main", "one")
    images.index(name, tag(digest), [digest])
    assert signatures.found(name, digest) == ()


def test_only_so_many_are_looked_at(signatures, images, name):
    digest = images.push(name, "main", "one")
    layer = images._blob(name, SIMPLE, b"{}")
    note = {"dev.cosignproject.cosign/signature": "Zm9v"}
    layers = [{**layer, "annotations": {**note, "n": str(number)}} for number in range(MOST + 5)]
    images.manifest(name, tag(digest), MANIFEST, config=images._blob(name, CONFIG, b"{}"), layers=layers)
    assert len(signatures.found(name, digest)) == MOST


def attached(registry, name, digest, content, predicate=SIGNED):
    remote = Remote(registry.url, None, actions="pull,push", seconds=(5, 5), store="")
    notes = (("dev.sigstore.bundle.predicateType", predicate),) if predicate else ()
    attach(
        remote, name, {"mediaType": MANIFEST, "digest": digest, "size": 1}, Document(BUNDLE, content, notes)
    )


@pytest.mark.parametrize("predicate", [SIGNED, None])
def test_a_bundle_that_refers_to_the_image_is_found(signatures, images, image_registry, name, predicate):
    digest = images.push(name, "main", "one")
    theirs = enveloped(KEY, statement(digest))
    attached(image_registry, name, digest, bundle(theirs), predicate)
    assert signatures.found(name, digest) == (theirs,)


@pytest.mark.parametrize(
    ("content", "predicate"),
    [
        ({}, SIGNED),
        ({"messageSignature": {"signature": "Zm9v"}}, SIGNED),
        ({"dsseEnvelope": []}, SIGNED),
        ({"dsseEnvelope": {"payload": "e30=", "payloadType": "x"}}, SIGNED),
        ({"dsseEnvelope": {"payload": 1, "payloadType": 2, "signatures": ["x", 3]}}, SIGNED),
        (bundle(enveloped(KEY)), "https://slsa.dev/provenance/v1"),
        ({**bundle(enveloped(KEY)), "padding": "x" * (11 << 20)}, SIGNED),
    ],
)
def test_a_bundle_that_holds_no_signature_of_an_image_is_passed_over(
    signatures, images, image_registry, name, content, predicate
):
    digest = images.push(name, "main", "one")
    attached(image_registry, name, digest, content, predicate)
    assert signatures.found(name, digest) == ()


# --- registries that behave otherwise --------------------------------------------------------


@pytest.fixture
def server():
    with Server() as server:
        server.default = (404, {}, b"{}")
        yield server


@pytest.fixture
def behind(tmp_path, server):
    return OciSignatures.open(Settings(home=tmp_path), Source("images", "registry", server.url))


TAGGED, LISTED, FALLBACK = (
    f"/v2/wine/manifests/{tag(IMAGE)}",
    f"/v2/wine/referrers/{IMAGE}",
    f"/v2/wine/manifests/{IMAGE.replace(':', '-')}",
)


def served(server, signature):
    """A registry that lists referrers itself, with one bundle."""
    content = json.dumps(bundle(signature)).encode()
    blob, size = f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
    layers = [{"mediaType": BUNDLE, "digest": blob, "size": size}]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers}).encode()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    server.answer(
        LISTED, body={"manifests": [{"mediaType": MANIFEST, "digest": digest, "artifactType": BUNDLE}]}
    )
    server.answer(f"/v2/wine/manifests/{digest}", body=manifest)
    server.answer(f"/v2/wine/blobs/{blob}", body=content)
    return digest, blob


def test_a_registry_that_lists_referrers_itself_is_asked_for_them(server, behind):
    theirs = enveloped(KEY)
    served(server, theirs)
    assert behind.found("wine", IMAGE) == (theirs,)
    assert FALLBACK not in [path for _, path, *_ in server.asked]


@pytest.mark.parametrize("number", [0, 1])
def test_other_bytes_than_a_digest_names_are_no_answer(server, behind, number):
    digest = served(server, enveloped(KEY))[number]
    kind = ("manifests", "blobs")[number]
    server.answer(f"/v2/wine/{kind}/{digest}", body=b'{"layers": []}')
    with pytest.raises(Retry, match="other bytes"):
        behind.found("wine", IMAGE)


@pytest.mark.parametrize("path", [TAGGED, LISTED, FALLBACK])
@pytest.mark.parametrize(("status", "raised"), [(500, Retry), (429, Retry), (401, Refused), (403, Refused)])
def test_what_cannot_be_read_is_never_taken_for_none(server, behind, path, status, raised):
    server.answer(path, status=status)
    with pytest.raises(raised):
        behind.found("wine", IMAGE)


@pytest.mark.parametrize("body", [b"", b"garbage", b"[]", b'{"layers": 1, "manifests": {}}', b"[" * 100_000])
def test_what_is_no_manifest_signs_nothing(server, behind, body):
    for path in (TAGGED, LISTED):
        server.answer(path, body=body)
    assert behind.found("wine", IMAGE) == ()


@pytest.mark.parametrize("path", [TAGGED, LISTED])
def test_a_list_without_end_is_refused(server, behind, path):
    server.answer(path, body=b" " * (2 << 20))
    with pytest.raises(Refused, match="more than"):
        behind.found("wine", IMAGE)


@pytest.mark.skipif(
    imaging.program() is None, reason="no image registry is installed: apt install docker-registry"
)
def test_a_registry_that_wants_a_login_gets_it(tmp_path):
    secured = ImageServer(tmp_path / "secured", secured=True)
    try:
        secured.start()
        digest = Images(secured.url, LOGIN).push("wine", "main", "one")
        source = Source("images", "registry", secured.url)
        with pytest.raises(Refused, match="login-images"):
            OciSignatures.open(Settings(home=tmp_path), source).found("wine", digest)
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "login-images").write_text(":".join(LOGIN))
        signatures = OciSignatures.open(Settings(home=tmp_path), source)
        signatures.add("wine", digest, simple(KEY, digest))
        assert len(signatures.found("wine", digest)) == 1
    finally:
        secured.stop()


# --- cosign ----------------------------------------------------------------------------------


def recorded():
    """What cosign 3.1.3 wrote in both of its forms, with one key, for one image."""
    simple_one, envelope = RECORDED["simple"], RECORDED["bundle"]["dsseEnvelope"]
    payload, sign = base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])
    old = Signature(SIMPLE, simple_one["payload"].encode(), base64.b64decode(simple_one["signature"]))
    return {"simple": old, "bundle": Signature(envelope["payloadType"], payload, sign)}


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_what_cosign_signed_is_trusted_for_its_image_and_key_alone(form):
    theirs, key = recorded()[form], RECORDED["public_key"].encode()
    assert wrong((theirs,), RECORDED["image"], key) == ""
    assert "another image" in wrong((theirs,), IMAGE, key)
    assert "none by a trusted key" in wrong((theirs,), RECORDED["image"], keys.public(KEY))


def test_a_bundle_as_cosign_wrote_it_is_found(server, behind):
    served(server, recorded()["bundle"])
    assert behind.found("wine", IMAGE) == (recorded()["bundle"],)


def cosign(folder, *arguments):
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "COSIGN_PASSWORD": ""}
    done = subprocess.run(
        [COSIGN, *arguments], env=env, cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stderr


VERIFY = ("verify", "--insecure-ignore-tlog=true", "--allow-http-registry", "--key")
SIGN = (
    "sign",
    "--yes",
    "--tlog-upload=false",
    "--use-signing-config=false",
    "--allow-http-registry",
    "--key",
)


@pytest.mark.skipif(COSIGN is None, reason="cosign is not installed")
def test_cosign_verifies_what_segue_signed_and_nothing_else(
    signatures, images, image_registry, name, tmp_path
):
    digest = images.push(name, "main", "one")
    reference = f"{image_registry.host}/{name}@{digest}"
    (tmp_path / "ours.pub").write_bytes(keys.public(KEY))
    assert "no signatures found" in cosign(tmp_path, *VERIFY, "ours.pub", reference)[1]
    text = trust.payload(f"{image_registry.host}/{name}", digest)
    signatures.add(name, digest, simple(OTHER_KEY, text=text))
    assert "no matching signatures" in cosign(tmp_path, *VERIFY, "ours.pub", reference)[1]
    signatures.add(name, digest, simple(KEY, text=text))
    remote = Remote(image_registry.url, None, actions="pull,push", seconds=(5, 5), store="")
    subject = {"mediaType": MANIFEST, "digest": digest, "size": 1}
    attach(
        remote, name, subject, Document(bill.IN_TOTO, {"subject": []})
    )  # as each image that Segue builds has
    code, said = cosign(tmp_path, *VERIFY, "ours.pub", reference)
    assert code == 0, said


@pytest.mark.skipif(COSIGN is None, reason="cosign is not installed")
@pytest.mark.parametrize("form", [[], ["--new-bundle-format=false"]])
def test_segue_trusts_what_cosign_signed(signatures, images, image_registry, name, tmp_path, form):
    digest = images.push(name, "main", "one")
    reference = f"{image_registry.host}/{name}@{digest}"
    assert cosign(tmp_path, "generate-key-pair")[0] == 0
    code, said = cosign(tmp_path, *SIGN, "cosign.key", *form, reference)
    assert code == 0, said
    found, key = signatures.found(name, digest), (tmp_path / "cosign.pub").read_bytes()
    assert wrong(found, digest, key) == ""
    assert "none by a trusted key" in wrong(found, digest, keys.public(KEY))
