"""The forms that one text can have: a time, a share, a command, an image and so on.

Each form says in words what is allowed, reads the text into a value or raises `Wrong`, and gives
its fragment of the JSON Schema. Which key wants which form stands in `policies.spec.keys`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from policies import windows
from policies.spec import selector
from policies.spec.declaration import Comparison, FromImage, FromModel
from policies.spec.mistakes import listed, nearest
from policies.spec.words import split
from policies.spec.wrong import Wrong
from policies.windows import NoWindow

LONGEST = 4000  # characters of any one text
_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,3})?"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_BYTES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_YEAR = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Form:
    """`says` completes "wants …"; `words` are all allowed texts where there is a list of them."""

    name: str
    says: str
    read: Callable[[str], Any]
    json: dict[str, Any] = field(compare=False)
    words: tuple[str, ...] = ()


# --- words and plain texts -------------------------------------------------------------------


def word(*words: str, json: dict[str, Any] | None = None) -> Form:
    """One of a few words; a wrong one is answered with the nearest."""

    def read(text: str) -> str:
        if text not in words:
            raise Wrong("is not one of the allowed words", nearest(text, words))
        return text

    return Form("word", listed(words), read, json or {"enum": list(words)}, words)


def pattern(name: str, says: str, regex: str, *, longest: int = 200) -> Form:
    """A text that a pattern describes."""
    compiled = re.compile(regex)

    def read(text: str) -> str:
        if len(text) > longest:
            raise Wrong(f"is longer than {longest} characters")
        if not compiled.fullmatch(text):
            raise Wrong(f"is not {says}")
        return text

    return Form(name, says, read, {"type": "string", "pattern": f"^(?:{regex})$"})


_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
NAME = pattern("name", "a name of small letters, digits and hyphens", _LABEL, longest=40)
METRIC = pattern("metric", "a metric's name", r"[A-Za-z0-9_][A-Za-z0-9_./@ -]*", longest=120)
GUARD = pattern("guard", "a name of small letters, digits, `_` and `-`", r"[a-z][a-z0-9_-]*", longest=60)
NAMESPACED = pattern(
    "namespace/name", "a namespace and a name, such as ml/fraud", rf"{_LABEL}/{_LABEL}", longest=127
)
# What `route` may name beside a Gateway API route, which needs no word.
ROUTE_KINDS = ("virtualservice", "traefikservice", "ingress")


def _route(text: str) -> str:
    if len(text) > 127 + 1 + max(map(len, ROUTE_KINDS)):
        raise Wrong("is longer than a route's name may be")
    kind, slash, name = text.partition("/") if text.count("/") == 2 else ("", "", text)
    if not re.fullmatch(rf"{_LABEL}/{_LABEL}", name):
        raise Wrong("is no name of a route")
    if slash and kind not in ROUTE_KINDS:
        close = nearest(kind, ("httproute", "grpcroute", *ROUTE_KINDS))
        meant = f"{close}/{name}" if close in ROUTE_KINDS else name
        raise Wrong("begins with no kind of route that is known", meant if close else None)
    return text


ROUTE = Form(
    "route",
    "a namespace and a name, such as ml/fraud; for another kind than an HTTPRoute or GRPCRoute"
    f" {listed(ROUTE_KINDS)} and `/` before it",
    _route,
    {"type": "string", "pattern": rf"^(?:(?:{'|'.join(ROUTE_KINDS)})/)?{_LABEL}/{_LABEL}$"},
)
PATTERN = pattern("pattern", "a name or a pattern with `*`, such as v*", r"[^\s!\x00-\x1f][^\s\x00-\x1f]*")
STAGE = pattern("stage", "a GTO stage, such as prod", r"[a-z][a-z0-9-]*")
SEGMENT = pattern("label", "a metric label, such as country", r"[A-Za-z_][A-Za-z0-9_]*", longest=60)
RESULTS = pattern(
    "experiment",
    "a source and an experiment of MLflow, such as mlflow.churn-evaluation",
    r"[a-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+",
)
LABELS = pattern(
    "table", "a source and a table, such as warehouse.labels", r"[a-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+"
)
SOURCE = pattern("source", "a source's name, as `segue connect` called it", r"[a-z0-9_-]+", longest=64)
JSON_PATH = pattern(
    "path", "a path in an answer's JSON, such as predictions.0", r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
)
PERSON = pattern(
    "person",
    "a person (ann), a login at a source (code:ann) or a group (@acme/ml-leads)",
    r"@?[A-Za-z0-9][A-Za-z0-9_.+@/:-]*",
)
CHANNEL = pattern(
    "channel", "a chat and a room, such as slack:#ml-release", r"[a-z]+:[#@!]?[A-Za-z0-9_.:/-]+"
)
HEALTH = pattern("URL path", "a path that begins with `/`", r"/[A-Za-z0-9_./~%-]*")
CRON = pattern("cron", "five fields, such as 0 3 * * 1 (UTC)", r"[0-9*,/-]+(?: [0-9*,/-]+){4}", longest=100)


def _window(text: str) -> str:
    try:
        return windows.parse(text).text
    except NoWindow as error:
        raise Wrong(str(error)) from None


WINDOW = Form(
    "window",
    "a time such as `Fri 16:00 - Mon 08:00 Europe/Berlin`, `22:00 - 06:00` or `2026-12-20 - 2027-01-02`",
    _window,
    {"type": "string", "pattern": "^.+ - .+$"},
)
QUERY = Form(
    "counter",
    'a counter of a metric source, such as lost_total{model="churn"}',
    selector.read,
    {"type": "string"},
)


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}
        raise Wrong("is neither true nor false", meant.get(text.lower(), nearest(text, ("true", "false"))))
    return text == "true"


_TRUTH_JSON = {"enum": [True, False, "true", "false"]}
TRUTH = Form("yes or no", "`true` or `false`", _truth, _TRUTH_JSON, ("true", "false"))
OFF = word("off", json={"enum": ["off", False]})  # YAML 1.1 tools take a bare `off` for false


def _path(text: str) -> str:
    if len(text) > 400 or not text.isprintable() or "\\" in text:
        raise Wrong("is not a path inside the repository")
    if text.startswith("/"):
        raise Wrong("begins with `/`; write it relative to this file's folder", text.lstrip("/") or None)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise Wrong("leaves the folder with `..`")
    return "/".join(parts)


def _file(text: str) -> str:
    path = _path(text)
    if not path:
        raise Wrong("names no file")
    return path


FOLDER = Form("folder", "a folder, relative to this file's", _path, {"type": "string"})
FILE = Form("file", "a file, relative to the model's folder", _file, {"type": "string"})
GLOB = Form(
    "path pattern",
    "a path from the repository's root, where `*` stands for a part of a name and `**` for any folders",
    _file,
    {"type": "string"},
)
COMMAND = Form("command", "a command, as one text or as a list", split, {"type": "string"})
ARGUMENT = Form("argument", "one argument", lambda text: text, {"type": "string"})


# --- numbers and units -----------------------------------------------------------------------


def _finite(text: str) -> float:
    if not re.fullmatch(_NUMBER, text) or not math.isfinite(float(text)):
        raise Wrong("is not a number")
    return float(text)


def number(says: str, least: float, most: float) -> Form:
    def read(text: str) -> float:
        value = _finite(text)
        if not least <= value <= most:
            raise Wrong(f"is not between {least:g} and {most:g}")
        return value

    json = {"type": ["number", "string"], "minimum": least, "maximum": most, "pattern": f"^{_NUMBER}$"}
    return Form("number", says, read, json)


def whole(says: str, least: int, most: int) -> Form:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise Wrong("is not a whole number")
        if not least <= int(text) <= most:
            raise Wrong(f"is not between {least} and {most}")
        return int(text)

    json = {"type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": "^[0-9]+$"}
    return Form("whole number", says, read, json)


CPU = number("CPU cores, such as 2 or 0.5", 0.01, 1024)
PORT = whole("a port", 1, 65_535)


def _duration(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?([A-Za-z]*)", text)
    if not found:
        raise Wrong("is not a time")
    amount, unit = found.groups()
    if unit not in _SECONDS:
        near = amount + (nearest(unit, _SECONDS) or unit[:1].lower() if unit else "s")
        raise Wrong("has no unit" if not unit else f"has an unknown unit `{unit}`", near)
    # Decimal, so that 0.1s is the same number however it was written.
    value = float(Decimal(amount) * Decimal(str(_SECONDS[unit])))
    if value > _YEAR:
        raise Wrong("is longer than a year")
    return value


DURATION = Form(
    "time",
    "a time with its unit: 500ms, 30s, 10m, 24h, 14d",
    _duration,
    {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s?(ms|s|m|h|d)$"},
)


def _memory(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?([A-Za-z]*)", text)
    if not found:
        raise Wrong("is not an amount of memory")
    amount, unit = found.groups()
    if unit not in _BYTES:
        near = next((known for known in _BYTES if unit[:1].lower() == known[0].lower()), "Mi")
        raise Wrong("has no unit" if not unit else f"has an unknown unit `{unit}`", amount + near)
    value = int(Decimal(amount) * _BYTES[unit])
    if not 1 << 20 <= value <= 64 << 40:
        raise Wrong("is not between 1Mi and 64Ti")
    return value


MEMORY = Form(
    "memory",
    "memory with its unit: 512Mi, 4Gi",
    _memory,
    {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s?(Ki|Mi|Gi|Ti)$"},
)


def _percent(text: str) -> Decimal:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?(%?)", text)
    if not found:
        raise Wrong("is not a share")
    amount, sign = found.groups()
    if not sign:
        raise Wrong("has no percent sign, so it could mean two things", f"{amount}%")
    return Decimal(amount)


def share(says: str, *, most: float = 100.0, zero: bool = True) -> Form:
    """Percent with its sign, as a fraction: 1% is 0.01."""

    def read(text: str) -> float:
        percent = _percent(text)
        if percent > Decimal(str(most)) or (percent == 0 and not zero):
            raise Wrong(
                f"is not between 0% and {most:g}%" if zero else f"is not above 0% and up to {most:g}%"
            )
        return float(percent / 100)

    return Form("share", says, read, _SHARE_JSON)


_SHARE_JSON = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s?%$"}
SHARE = share("a share with its percent sign, such as 1%")
GROWTH = share("a relative growth with its percent sign, such as 10%", most=10_000)


def _weight(text: str) -> float:
    percent = _percent(text)
    if not 0 < percent <= 100:
        raise Wrong("is not above 0% and up to 100%")
    return float(percent)


WEIGHT = Form("weight", "a weight with its percent sign, such as 5%", _weight, _SHARE_JSON)


# --- gates -----------------------------------------------------------------------------------

Bound = tuple[Comparison, float]
_RELATIVE = {"worse": Comparison.NO_WORSE, "higher": Comparison.NO_HIGHER}
_LOOKS_LIKE = {"≥": ">=", "=>": ">=", "≤": "<=", "=<": "<=", "==": ">=", "=": ">=", "!=": ">="}


def _amount(text: str) -> float:
    if text.endswith("%"):
        return float(Decimal(str(_finite(text[:-1].rstrip()))) / 100)
    return _finite(text)


def _limit(text: str) -> Bound:
    found = re.fullmatch(r"([^0-9\s.%-]{1,3})\s*(\S{1,40}(?: ?%)?)", text)
    if not found:
        near = f">= {text}" if re.fullmatch(rf"{_NUMBER} ?%?", text) else None
        raise Wrong("is not a comparison", near)
    sign, amount = found.groups()
    if sign not in {">=", ">", "<=", "<"}:
        near = f"{_LOOKS_LIKE[sign]} {amount}" if sign in _LOOKS_LIKE else None
        raise Wrong(f"compares with `{sign}`, which is not one of `>=`, `>`, `<=`, `<`", near)
    return Comparison(sign), _amount(amount)


def _gate(text: str) -> Bound:
    found = re.fullmatch(r"no (worse|higher) than stable(?: by (\S{1,40}(?: ?%)?))?", " ".join(text.split()))
    if found:
        word_, amount = found.groups()
        tolerance = _amount(amount) if amount else 0.0
        if tolerance < 0:
            raise Wrong("tolerates a negative difference")
        return _RELATIVE[word_], tolerance
    if text.lower().startswith("no "):
        raise Wrong("is not a comparison with stable", "no worse than stable by 0.01")
    return _limit(text)


LIMIT = Form("limit", "a limit, such as `<= 0.5` or `>= 98%`", _limit, {"type": "string"})
GATE = Form(
    "gate",
    "a limit such as `>= 0.9` or `<= 12%`, or `no worse than stable by 0.01` (more is better), "
    "or `no higher than stable by 0.01` (less is better)",
    _gate,
    {"type": "string"},
)


# --- where versions come from ----------------------------------------------------------------

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
