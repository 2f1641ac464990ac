"""Options that take a text in one of the forms of `segue.yaml`, or a moment."""

import time
from datetime import datetime
from typing import Any

import click

from policies.spec.amounts import DURATION
from policies.spec.forms import Form
from policies.spec.wrong import Wrong


class Amount(click.ParamType[Any]):
    """A text in one of the forms of `segue.yaml`."""

    def __init__(self, form: Form) -> None:
        self.name, self._form = form.name, form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value that the form reads; what it refuses is wrong usage."""
        if not isinstance(value, str):
            return value
        try:
            return self._form.read(value)
        except Wrong as wrong:
            self.fail(f"{value} {wrong}; write {self._form.says}", param, ctx)


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """A moment: `24h` (ago), or a time with its zone."""
    if value is None:
        return None
    try:
        return float(int(time.time() - DURATION.read(value)))
    except Wrong:
        pass
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise click.BadParameter(f"{value!r} is no time; write 24h (ago) or 2026-01-31T14:00:00Z")
    return float(int(found.timestamp()))
