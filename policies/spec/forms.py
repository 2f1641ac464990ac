"""The forms that one text can have: a time, a share, a command, an image and so on.

Each form says in words what is allowed, reads the text into a value or raises `Wrong`, and gives
its fragment of the JSON Schema. Which key wants which form stands in `policies.spec.keys`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from policies import windows
from policies.spec import selector
from policies.spec.mistakes import listed, nearest
from policies.spec.words import split
from policies.spec.wrong import Wrong
from policies.windows import NoWindow

LONGEST = 4000  # characters of any one text
NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,3})?"


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


def finite(text: str) -> float:
    """A number that is one, or `Wrong`."""
    if not re.fullmatch(NUMBER, text) or not math.isfinite(float(text)):
        raise Wrong("is not a number")
    return float(text)


def number(says: str, least: float, most: float) -> Form:
    def read(text: str) -> float:
        value = finite(text)
        if not least <= value <= most:
            raise Wrong(f"is not between {least:g} and {most:g}")
        return value

    json = {"type": ["number", "string"], "minimum": least, "maximum": most, "pattern": f"^{NUMBER}$"}
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


_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
NAME = pattern("name", "a name of small letters, digits and hyphens", _LABEL, longest=40)
METRIC = pattern("metric", "a metric's name", r"[A-Za-z0-9_][A-Za-z0-9_./@ -]*", longest=120)
GUARD = pattern("guard", "a name of small letters, digits, `_` and `-`", r"[a-z][a-z0-9_-]*", longest=60)

# Names that Kubernetes takes: a namespace or a Service is one label, others may be several with dots between.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_NAMESPACE = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_OBJECT = rf"{_LABEL}(?:\.{_LABEL})*"
_LONGEST_LABEL, _LONGEST_NAME = 63, 253


def _namespaced(says: str, names: str, longest: int) -> Form:
    """A namespace and the name of an object in it."""

    def read(text: str) -> str:
        namespace, _, name = text.partition("/")
        if not re.fullmatch(_LABEL, namespace) or not re.fullmatch(names, name):
            raise Wrong(f"is not {says}")
        if len(namespace) > _LONGEST_LABEL:
            raise Wrong(f"has a namespace of more than {_LONGEST_LABEL} characters, which no cluster has")
        if len(name) > longest:
            raise Wrong(f"has a name of more than {longest} characters, which no cluster takes")
        return text

    return Form("namespace/name", says, read, {"type": "string", "pattern": f"^{_NAMESPACE}/{names}$"})


NAMESPACED = _namespaced("a namespace and a name, such as ml/fraud", _OBJECT, _LONGEST_NAME)
SERVICE = _namespaced("a namespace and a Service's name, such as ml/fraud", _LABEL, _LONGEST_LABEL)
# What `route` may name beside a Gateway API route, which needs no word.
ROUTE_KINDS = ("virtualservice", "traefikservice", "ingress")


def _route(text: str) -> str:
    kind, slash, name = text.partition("/") if text.count("/") == 2 else ("", "", text)
    if not re.fullmatch(rf"{_LABEL}/{_OBJECT}", name):
        raise Wrong("is no name of a route")
    NAMESPACED.read(name)
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
    {"type": "string", "pattern": rf"^(?:(?:{'|'.join(ROUTE_KINDS)})/)?{_NAMESPACE}/{_OBJECT}$"},
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
    "a person (ann), a login at a source (code:ann), a group at a Git host (@acme/ml-leads) or of the"
    " provider of identities (@oidc:ml-team), or a role (@role: and viewer, operator, approver or admin)",
    r"(?!@role:)@?[A-Za-z0-9][A-Za-z0-9_.+@/:-]*|@role:(?:viewer|operator|approver|admin)",
)
CHANNEL = pattern(
    "channel", "a chat and a room, such as slack:#ml-release", r"[a-z]+:[#@!]?[A-Za-z0-9_.:/-]+"
)
HEALTH = pattern("URL path", "a path that begins with `/`", r"/[A-Za-z0-9_./~%-]*")
CRON = pattern("cron", "five fields, such as 0 3 * * 1 (UTC)", r"[0-9*,/-]+(?: [0-9*,/-]+){4}", longest=100)


def _window(text: str) -> str:
    try:
        return windows.checked(text)
    except NoWindow as error:
        raise Wrong(str(error)) from None


WINDOW = Form(
    "window",
    "a time such as `Fri 16:00 - Mon 08:00 Europe/Berlin`, `22:00 - 06:00` or `2026-12-20 - 2027-01-02`, or a"
    " calendar file such as `holidays.ics Europe/Berlin`",
    _window,
    {"type": "string", "pattern": r"^(.+ - .+|[^ /].*\.ics( .+)?)$"},
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
