"""The forms of what a cluster is asked for: names, labels, tolerations, resources and paths.

Each refuses what Kubernetes would refuse, so that a file is refused when it is checked and not when a
pod is made. Rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

import re
from collections.abc import Callable

from policies.spec.amounts import share
from policies.spec.declaration_cluster import VERSION, Toleration
from policies.spec.forms import Form, number, pattern, whole
from policies.spec.forms_images import EXACT_IMAGE
from policies.spec.mistakes import nearest
from policies.spec.wrong import Wrong

_PART = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = rf"{_PART}(?:\.{_PART})*"
_QUALIFIED = r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL = rf"(?:{_NAME}/)?{_QUALIFIED}"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OURS = ("/tmp", "/dev", "/proc", "/sys")  # noqa: S108  what every container has there


def _small(text: str) -> str | None:
    """The nearest text that is a name: small letters, digits, hyphens and dots."""
    parts = (re.sub(r"[^a-z0-9]+", "-", part).strip("-") for part in text.lower().split("."))
    return ".".join(part for part in parts if part) or None


def _name(longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > longest:
            raise Wrong(f"is longer than {longest} characters")
        if not re.fullmatch(_NAME, text):
            raise Wrong("is no name that Kubernetes accepts", _small(text))
        return text

    return read


_SAYS_NAME = "a name of small letters, digits, `-` and `.`"
NAME = Form("name", _SAYS_NAME, _name(253), {"type": "string", "pattern": f"^{_NAME}$"})
QUEUE = Form("name", _SAYS_NAME, _name(63), {"type": "string", "pattern": f"^{_NAME}$"})


def _label_key(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    if len(name) > 63 or len(prefix) > 253:
        raise Wrong("is longer than a label's key may be (253 characters, `/` and 63)")
    if not re.fullmatch(_LABEL, text):
        fit = re.sub(r"[^-A-Za-z0-9_.]+", "-", name).strip("-_.")
        raise Wrong("is no label's key", f"{_small(prefix) or ''}{slash}{fit}" if fit else None)
    return text


def _label_value(text: str) -> str:
    if len(text) > 63:
        raise Wrong("is longer than 63 characters")
    if not re.fullmatch(rf"(?:{_QUALIFIED})?", text):
        raise Wrong("is no label's value", re.sub(r"[^-A-Za-z0-9_.]+", "-", text).strip("-_.") or None)
    return text


LABEL_KEY = Form(
    "label", "a label's key, such as disk or acme.com/disk", _label_key, {"pattern": f"^{_LABEL}$"}
)
LABEL_VALUE = Form(
    "label's value",
    "a label's value: letters, digits, `-`, `_` and `.`",
    _label_value,
    {"type": "string", "pattern": f"^(?:{_QUALIFIED})?$"},
)


def _toleration(text: str) -> Toleration:
    found = re.fullmatch(r"([^=:]+)(?:=([^:]*))?(?::(.*))?", text)
    if not found:
        raise Wrong("is no toleration")
    key, value, effect = found.groups()
    _label_key(key)
    if value is not None:
        _label_value(value)
    if effect is not None and effect not in _EFFECTS:
        near = nearest(effect, _EFFECTS)
        raise Wrong(f"has an unknown effect `{effect}`", near and text.removesuffix(effect) + near)
    return Toleration(key, value, effect)


TOLERATION = Form(
    "toleration",
    "a taint's key, perhaps its value and effect: nvidia.com/gpu or dedicated=ml:NoSchedule",
    _toleration,
    {"type": "string"},
)


def resource(*known: str) -> Form:
    """The name of a resource: one of those that have a key of their own, or one with a domain."""

    def read(text: str) -> str:
        if text in known:
            return text
        if "/" not in text:
            raise Wrong("is no resource", nearest(text, known))
        if "kubernetes.io/" in text or text.startswith("requests."):
            raise Wrong("is one of Kubernetes' own, which cannot be asked for")
        domain, _, name = text.rpartition("/")
        if not re.fullmatch(rf"{_NAME}/{_QUALIFIED}", text) or len(name) > 63 or len(domain) > 240:
            raise Wrong("is no resource", _resource_near(domain, name))
        return text

    words = ", ".join(f"`{word}`" for word in known)
    says = f"{words}, or a device with its domain, such as nvidia.com/gpu"
    pattern = f"^(?:{'|'.join(known)}|{_NAME}/{_QUALIFIED})$"
    return Form("resource", says, read, {"pattern": pattern})


def _resource_near(domain: str, name: str) -> str | None:
    fit, small = re.sub(r"[^-A-Za-z0-9_.]+", "-", name).strip("-_."), _small(domain)
    return f"{small}/{fit}" if fit and small else None


COUNT = whole("a whole number of devices", 1, 100_000)
REPLICAS = whole("a whole number of copies", 1, 1000)
USED = share("the share of its CPU that a copy should use, such as 70%", zero=False)


def _mount(text: str) -> str:
    if len(text) > 400 or not text.isprintable() or ":" in text or "\\" in text:
        raise Wrong("is no path to mount at")
    if not text.startswith("/"):
        raise Wrong("does not begin with `/`", f"/{text}")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise Wrong("leaves its folder with `..`")
    path = "/" + "/".join(parts)
    if path == "/" or any(path == ours or path.startswith(f"{ours}/") for ours in _OURS):
        raise Wrong("is a path that every container needs for itself", f"/data{path}".rstrip("/"))
    return path


MOUNT = Form("path", "where the container sees it, such as /data", _mount, {"type": "string"})


# --- weights -----------------------------------------------------------------------------------

BUILT = "built"


def _with_version(text: str) -> str | None:
    """The text with `{version}` for whatever else was to be replaced in it."""
    near = re.sub(r"\{[^{}]*\}", VERSION, text)
    return None if near == text else near


def _subfolder(text: str) -> str:
    if set(text.replace(VERSION, "")) & set("{}:"):
        raise Wrong("is no folder of a volume", _with_version(text))
    if len(text) > 400 or not text.isprintable() or "\\" in text:
        raise Wrong("is no folder of a volume")
    if text.startswith("/"):
        raise Wrong("begins with `/`; it is a folder of the volume", text.lstrip("/") or None)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts or ".." in parts:
        raise Wrong("leaves the volume with `..`" if parts else "names no folder")
    return "/".join(parts)


SUBFOLDER = Form("folder of a volume", "a folder, such as ranker/{version}", _subfolder, {"type": "string"})


def _weights_image(text: str) -> str:
    if text == BUILT:
        return text
    if "@" not in text:
        known = nearest(text, (BUILT,))
        raise Wrong("is not named by its digest, so it could be another one tomorrow", known)
    if not re.search(r"@sha256:[0-9a-f]{64}$", text):
        raise Wrong("has no whole digest: `sha256:` and 64 hexadecimal digits")
    return str(EXACT_IMAGE.read(text))


WEIGHTS_IMAGE = Form(
    "image of weights",
    "`built`, or an image by its digest: ghcr.io/acme/weights@sha256:…",
    _weights_image,
    {"type": "string"},
)


def _bucket(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in {"s3", "gs", "https", "http"}:
        raise Wrong("is no address of a bucket")
    host, slash, folder = rest.partition("/")
    place = _BUCKET if scheme in {"s3", "gs"} else _HOST
    if len(text) > 900 or not re.fullmatch(place, host) or not re.fullmatch(_KEYS, folder) or ".." in folder:
        raise Wrong("is no folder of a bucket", _with_version(text))
    if not slash or not folder.strip("/"):
        raise Wrong("names no folder in the bucket", f"{text.rstrip('/')}/{VERSION}")
    return text.rstrip("/")


_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_HOST = r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?"
_KEYS = r"(?:[A-Za-z0-9!_.*'()/=+@,-]|\{version\})*"
BUCKET = Form(
    "address of a bucket",
    "a folder of a bucket: s3://models/ranker/{version}, gs://… or an https address",
    _bucket,
    {"type": "string"},
)
SUMS = pattern("SHA-256", "64 hexadecimal digits, as sha256sum prints them", r"[0-9a-f]{64}")

# --- what autoscalers look at ------------------------------------------------------------------

MEASURED = pattern("metric", "a metric's name, such as queue_length", r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
AIM = number("a number above zero", 0.001, 1e12)
