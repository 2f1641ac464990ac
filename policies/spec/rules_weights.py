"""What `weights` means together with the other keys of a model: whose they are, and that versions are apart.

Two versions serve at the same time. Where a file could have both read the same weights, what was evaluated
would not be what serves, so such a file is refused.
"""

from policies.spec.declaration_cluster import VERSION
from policies.spec.forms_cluster import BUILT
from policies.spec.mistakes import Findings, listed
from policies.spec.node import Mapping, Place
from policies.spec.reading import Values

_FROM = ("claim", "image", "bucket")
_ONLY_WITH = {"folder": "claim", "sums": "bucket", "secret": "bucket"}


def check(node: Mapping, values: Values, findings: Findings) -> None:
    """A model's `weights`, where it is written."""
    weights, read = node.get("weights"), values.get("weights")
    if weights is None or read is None:
        return
    written = weights if isinstance(weights, Mapping) else Mapping((), weights.place)
    if not node.has("serve"):
        message = "`weights` means something only with `serve`: other pods have the volumes of their template"
        findings.add(written.place, message, found="weights")
    _check_origin(written, findings)
    _check_versions(written, read, findings, registered=node.has("model"))
    _check_path(written, values, findings)


def _check_origin(weights: Mapping, findings: Findings) -> None:
    named = [name for name in _FROM if weights.has(name)]
    if not named:
        message = f"`weights` says nowhere where they are: write exactly one of {listed(_FROM)}"
        findings.add(weights.place, message, allowed=_FROM)
    for name in named[1:]:
        message = f"`{name}` and `{named[0]}` both say where the weights are: keep exactly one"
        findings.add(_at(weights, name), message, found=name, allowed=_FROM)
    if weights.has("claim") and not weights.has("folder"):
        message = "a claim of weights needs `folder`, so that each version has its own"
        findings.add(_at(weights, "claim"), message, allowed=("folder",))
    for name, other in _ONLY_WITH.items():
        if weights.has(name) and not weights.has(other):
            findings.add(_at(weights, name), f"`{name}` means something only with `{other}`", found=name)


def _check_versions(weights: Mapping, read: Values, findings: Findings, *, registered: bool) -> None:
    """With `model` each version has weights of its own; otherwise the file names them, and pins them."""
    image = read.get("image")
    if image is not None and registered and image != BUILT:
        message = (
            "every version of `model` would have the same weights; `image: built` has those of its files"
        )
        findings.add(_at(weights, "image"), message, found=image, nearest=BUILT)
    if image == BUILT and not registered:
        message = "`image: built` is made of a registered version's files, so it needs `model`"
        findings.add(_at(weights, "image"), message, found=image)
    for name in ("folder", "bucket"):
        if name in read:
            _check_version(weights, name, read[name], findings, registered=registered)
    if weights.has("sums") and registered:
        message = "`sums` would be one for all versions of `model`; each has its own as the tag `segue.sums`"
        findings.add(_at(weights, "sums"), message, found="sums")
    if weights.has("bucket") and not weights.has("sums") and not registered:
        message = "a bucket can change: write `sums`, the SHA-256 of the SHA256SUMS that lies there"
        findings.add(_at(weights, "bucket"), message, allowed=("sums",))


def _check_version(weights: Mapping, name: str, where: str, findings: Findings, *, registered: bool) -> None:
    if registered and VERSION not in where:
        message = f"every version of `model` would have the same weights: write `{VERSION}` into `{name}`"
        findings.add(_at(weights, name), message, found=where, nearest=f"{where}/{VERSION}")
    if not registered and VERSION in where:
        message = f"`{VERSION}` is the number of a registered version, so it needs `model`; name the folder"
        findings.add(_at(weights, name), message, found=where)


def _check_path(weights: Mapping, values: Values, findings: Findings) -> None:
    if values.get("serve") == "mlflow" and weights.has("path"):
        message = "`serve: mlflow` knows where its model is; leave `path` out"
        findings.add(_at(weights, "path"), message, found="path")
    path = values["weights"].get("path")
    for pod in (values.get("pod", {}), (values.get("evaluate") or {}).get("pod", {})):
        for claim, place in pod.get("volumes", {}).items():
            if path == (place.get("path") if isinstance(place, dict) else place):
                message = f"the weights and the volume `{claim}` are both mounted at {path}"
                findings.add(_at(weights, "path"), message, found=path)


def _at(weights: Mapping, name: str) -> Place:
    return (weights.get(name) or weights).place
