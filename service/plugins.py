"""Adapters by name, from entry points; ours are registered in `pyproject.toml` like a stranger's."""

from functools import cache
from importlib.metadata import entry_points
from typing import Any


class UnknownAdapter(LookupError):
    """No adapter of that name is installed."""


@cache
def load(port: str, name: str) -> Any:
    """The adapter class `name` of the group `segue.<port>`; `UnknownAdapter` lists the known ones.

    Looked for once: reading what is installed takes milliseconds, and the intake asks for each delivery.
    """
    found = {point.name: point for point in entry_points(group=f"segue.{port}")}
    if name not in found:
        known = ", ".join(sorted(found)) or "none is installed"
        raise UnknownAdapter(f"there is no adapter {name!r} for {port}; known: {known}")
    return found[name].load()


def names(port: str) -> tuple[str, ...]:
    """All adapters of a port."""
    return tuple(sorted(point.name for point in entry_points(group=f"segue.{port}")))
