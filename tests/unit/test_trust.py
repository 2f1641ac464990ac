"""An image is trusted only for a trusted key's word about this very image; everything else is not."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from policies import trust
from policies.trust import SIMPLE, STATEMENT, Signature, Trust, payload
from service import keys
from tests.signing import IMAGE, OTHER, REPOSITORY, enveloped, simple, statement

OURS, THEIRS = keys.new(), keys.new()
GOOD = simple(OURS)


def why_not(found, *trusted, digest=IMAGE):
    known = [one for key in trusted or (OURS,) for one in keys.trusted(keys.public(key))]
    return trust.why_not(tuple(found), digest, lambda text, sign: keys.signed_by(known, text, sign))


def test_the_signed_text_is_that_of_the_specification():
    assert json.loads(payload(REPOSITORY, IMAGE)) == {
        "critical": {
            "identity": {"docker-reference": REPOSITORY},
            "image": {"docker-manifest-digest": IMAGE},
            "type": "cosign container image signature",
        },
        "optional": None,
    }


@pytest.mark.parametrize("good", [GOOD, enveloped(OURS)])
def test_a_trusted_keys_signature_of_this_image_is_trusted_whatever_lies_beside_it(good):
    assert why_not([good]) == ""
    assert why_not([simple(THEIRS), GOOD, GOOD, Signature(SIMPLE, b"", b"")]) == ""
    assert why_not([simple(OURS, OTHER), good]) == ""


def test_the_old_and_the_new_key_are_both_trusted_while_both_are_named():
    new = keys.new()
    assert why_not([GOOD], new, OURS) == ""
    assert why_not([simple(new)], new, OURS) == ""
    assert why_not([GOOD], new) == "it has a signature, but none by a trusted key"


def test_the_repository_in_the_text_does_not_count_as_images_are_copied():
    assert why_not([simple(OURS, text=payload("elsewhere.example/copy", IMAGE))]) == ""


BY_NOBODY = "none by a trusted key"
ONE_BIT_OFF = GOOD.signature[:-1] + bytes([GOOD.signature[-1] ^ 1])
FORGED = {
    "another key's": ([simple(THEIRS)], BY_NOBODY),
    "two other keys'": ([simple(THEIRS), enveloped(THEIRS)], "it has 2 signatures, but none"),
    "of another image, moved here": ([simple(OURS, OTHER)], f"signed is another image: {OTHER}"),
    "another text under a good signature": ([replace(GOOD, payload=payload(REPOSITORY, OTHER))], BY_NOBODY),
    "one byte of the text": ([replace(GOOD, payload=GOOD.payload + b" ")], BY_NOBODY),
    "one bit of the signature": ([replace(GOOD, signature=ONE_BIT_OFF)], BY_NOBODY),
    "cut": ([replace(GOOD, signature=GOOD.signature[:-1])], BY_NOBODY),
    "empty": ([Signature(SIMPLE, b"", b"")], BY_NOBODY),
    "no signature on a good text": ([replace(GOOD, signature=b"")], BY_NOBODY),
    "garbage": ([Signature("x", b"\xff" * 99, b"\x30\x06\x02\x01\x00\x02\x01\x00")], BY_NOBODY),
    "zeros, which some verifiers took": ([replace(GOOD, signature=bytes.fromhex("3006020100020100"))], BY_NOBODY),
    "many of the same": ([simple(THEIRS)] * 9, "it has 9 signatures, but none"),
    "signed words that are no JSON": ([simple(OURS, text=b"yes")], "no image's signature"),
    "signed JSON of another form": ([simple(OURS, text=b"[]")], "no image's signature"),
    "a list as the digest": (
        [simple(OURS, text=json.dumps({"critical": {"type": "x", "image": [IMAGE]}}).encode())],
        "no image's signature",
    ),
    "of another type": (
        [simple(OURS, text=payload(REPOSITORY, IMAGE).replace(b"cosign container", b"atomic container"))],
        "no image's signature",
    ),
    "deep": ([simple(OURS, text=b"[" * 100_000)], "no image's signature"),
    "a simple one said to be an envelope": ([replace(GOOD, kind=STATEMENT)], BY_NOBODY),
    "an envelope said to be simple": ([replace(enveloped(OURS), kind=SIMPLE)], BY_NOBODY),
    "an envelope of another image": ([enveloped(OURS, statement(OTHER))], f"signed is another image: {OTHER}"),
    "an attestation, which says something about an image": (
        [enveloped(OURS, statement(predicate="https://slsa.dev/provenance/v1"))],
        "no image's signature",
    ),
    "an envelope of another kind": ([enveloped(OURS, kind="text/plain")], "no image's signature"),
    "a statement without subjects": (
        [enveloped(OURS, statement().replace(b'"subject": [', b'"other": ['))],
        "no image's signature",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_not_trusted_and_said(name):
    found, said = FORGED[name]
    assert said in why_not(found)


def test_no_signature_is_not_trusted():
    assert why_not([]) == "it has no signature"


def test_no_key_trusts_nothing():
    assert trust.why_not((GOOD,), IMAGE, lambda text, sign: keys.signed_by((), text, sign))


# --- keys ------------------------------------------------------------------------------------


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def test_keys_of_other_kinds_that_signers_use_are_read_all_that_a_file_holds():
    files = [pem(rsa.generate_private_key(65537, 2048)), pem(ec.generate_private_key(ec.SECP384R1()))]
    assert len(keys.trusted(b"\n".join([*files, keys.public(OURS)]))) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "write public keys as PEM"),
        (b"ssh-ed25519 AAAA", "write public keys as PEM"),
        (OURS, "write public keys as PEM"),
        (keys.public(OURS) + OURS, "write public keys as PEM"),
        (keys.public(OURS) + keys.public(OURS).replace(b"M", b"?"), "no public key"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "not supported"),
        (pem(rsa.generate_private_key(65537, 1024)), "not supported"),  # noqa: S505
    ],
)
def test_a_file_with_anything_else_than_usable_keys_is_refused_whole(content, said):
    with pytest.raises(keys.KeyProblem, match=said):
        keys.trusted(content)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", keys.public(OURS), OURS.replace(b"PRIVATE", b"ENCRYPTED SIGSTORE PRIVATE")]
)
def test_what_is_no_private_key_is_refused_without_a_word_of_it(content):
    with pytest.raises(keys.KeyProblem) as refused:
        keys.sign(content, b"text")
    assert "no private key" in str(refused.value)


# --- rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "repository", "wanted"),
    [
        ("off", "ghcr.io/acme/fraud", Trust.OFF),
        ("ours", "ghcr.io/acme/fraud", Trust.OURS),
        ("ghcr.io/acme/*=keys,ours", "ghcr.io/acme/deep/fraud", Trust.KEYS),
        ("ghcr.io/acme/*=keys,ours", "ghcr.io/acmex", Trust.OURS),
        ("a/*=off, a/b=keys , keys", "a/b", Trust.OFF),
    ],
)
def test_the_first_rule_that_fits_counts_and_the_last_fits_all(text, repository, wanted):
    assert trust.wanted(trust.rules(text), repository) is wanted


@pytest.mark.parametrize(
    "text", ["", "on", "a=keys", "a=keys,b=off", "=keys,off", "a=,off", "a,off", "keys,,off"]
)
def test_rules_that_leave_something_open_are_refused(text):
    with pytest.raises(ValueError, match="off, ours, keys"):
        trust.rules(text)
