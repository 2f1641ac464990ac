"""Options that take a text in one of the forms of `segue.yaml`."""

from typing import Any

import click

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
