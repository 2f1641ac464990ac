"""The form of the table of keys: sections, kinds of value, and one row."""

from dataclasses import dataclass
from enum import StrEnum

from policies.spec.forms import Form


class Section(StrEnum):
    """A mapping with keys of its own."""

    FILE = "the file"
    MODEL = "a model"
    ENVIRONMENT = "an environment"
    SERVE = "serve"
    SERVICES = "services"
    BUILD = "build"
    EVALUATE = "evaluate"
    RESOURCES = "resources"
    JOB_RESOURCES = "evaluate.resources"
    POD = "pod"
    JOB_POD = "evaluate.pod"
    VOLUME = "a volume"
    REPLICAS = "replicas"
    EXTERNAL = "an external metric"
    WEIGHTS = "weights"
    ON = "on"
    STEP = "a step"
    APPROVALS = "approvals"
    BUDGET = "budget"
    SHADOW = "shadow"
    GUARDS = "guards"
    ERRORS = "guards.errors"
    LATENCY = "guards.latency"
    ALIVE = "guards.alive"
    SHARE = "guards.share"
    ANSWERS = "guards.answers"
    GUARD = "a guard of your own"
    SEGMENTS = "segments"


# --- kinds of value --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """One text."""

    form: Form


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping with the keys of a section."""

    section: Section


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping with names that people choose; `section` holds the names that mean something."""

    of: "Kind"
    name: Form
    most: int
    section: Section | None = None


@dataclass(frozen=True, slots=True)
class Many:
    """A list; `single`: one text may stand for a list of one."""

    of: "Kind"
    most: int
    single: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text, a list or a mapping: chosen by which of them was written."""

    kinds: "tuple[Kind, ...]"


Kind = Plain | Block | Named | Many | OneOf


@dataclass(frozen=True, slots=True)
class Key:
    """One row. `default` is written as people would write it, and read by the same code.

    `note` says the default in words where it is no plain value. `merges`: a model's value is laid over
    the default's key by key, instead of replacing it.
    """

    name: str
    where: tuple[Section, ...]
    kind: Kind
    doc: str
    default: str | None = None
    note: str = ""
    merges: bool = False
