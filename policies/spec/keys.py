"""The table of all keys of `segue.yaml`: the one source of the parser, the JSON Schema and the reference."""

from policies.spec import keys_cluster, keys_guards, keys_rollout, keys_version
from policies.spec.kinds import Key, Section

KEYS: tuple[Key, ...] = (*keys_version.ROWS, *keys_cluster.ROWS, *keys_rollout.ROWS, *keys_guards.ROWS)

# Writing one of the first set in a model (or environment) drops what it would inherit of the second.
REPLACES: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"model", "image", "build"}), frozenset({"model", "image", "build"})),
    (
        frozenset({"serve", "deployment", "inferenceservice", "services"}),
        frozenset({"serve", "deployment", "inferenceservice", "services", "route", "when_full"}),
    ),
    (frozenset({"strategy", "steps", "ladder"}), frozenset({"steps", "ladder"})),
    (frozenset({"strategy"}), frozenset({"shadow"})),
)


def keys_of(section: Section) -> dict[str, Key]:
    """The keys of a section, in the order of the table."""
    return {key.name: key for key in KEYS if section in key.where}


ROLLOUT_KEYS = frozenset(
    key.name for key in KEYS if Section.ENVIRONMENT in key.where and Section.MODEL in key.where
)
