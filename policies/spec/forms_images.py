"""The forms of where versions come from: a model's alias, images by tag, pattern or digest."""

import re

from policies.spec.declaration import FromImage, FromModel
from policies.spec.forms import Form
from policies.spec.wrong import Wrong

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_REPOSITORY = rf"(?:{_HOST}/)?[a-z0-9][a-z0-9_.-]*(?:/[a-z0-9][a-z0-9_.-]*)*"


def _registered(text: str) -> FromModel:
    found = re.fullmatch(r"models:/([^/:@\x00-\x1f]{1,200})@([A-Za-z0-9_-]{1,100})", text)
    if found:
        if found[2].lower() == "latest" or re.fullmatch(r"[vV][0-9]+", found[2]):
            raise Wrong(f"names `@{found[2]}`, which the registry does not allow as an alias")
        return FromModel(found[1], found[2])
    plain = re.fullmatch(r"(?:models:/)?([^/:@\x00-\x1f]{1,200})(?:/[^/@]{1,100})?", text)
    if plain:
        raise Wrong(
            "names no alias; moving an alias is what starts a release", f"models:/{plain[1]}@challenger"
        )
    raise Wrong("is not a registered model's alias", "models:/name@challenger")


REGISTERED = Form(
    "registered model",
    "a registered model's alias: models:/churn@challenger",
    _registered,
    {"type": "string", "pattern": r"^models:/[^/:@]+@[A-Za-z0-9_-]+$"},
)


def _image(text: str) -> FromImage:
    if len(text) > 400:
        raise Wrong("is longer than 400 characters")
    if "@" in text:
        raise Wrong("pins a digest; name a tag or a tag pattern, Segue finds the digest and deploys by it")
    if "://" in text:
        raise Wrong("begins with a protocol; leave it out", text.split("://", 1)[1] or None)
    repository, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        raise Wrong("names no tag", f"{text}:main-*")
    if not re.fullmatch(_REPOSITORY, repository) or not re.fullmatch(r"[A-Za-z0-9_.*?-]{1,128}", tag):
        raise Wrong("is not an image's name with a tag or a tag pattern")
    return FromImage(repository, tag)


IMAGE = Form("image", "an image and a tag pattern: ghcr.io/acme/fraud:main-*", _image, {"type": "string"})


def _exact_image(text: str) -> str:
    digest = re.fullmatch(rf"({_REPOSITORY})@sha256:[0-9a-f]{{64}}", text) if len(text) <= 400 else None
    if not digest and set("*?") & set(_image(text).tag):
        raise Wrong("is a pattern; name one tag or a digest")
    return text


EXACT_IMAGE = Form(
    "one image", "an image by tag or digest: ghcr.io/acme/eval:3", _exact_image, {"type": "string"}
)
