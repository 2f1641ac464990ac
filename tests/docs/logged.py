"""What the source logs: every call by which a line is written, as it stands there."""

import ast
from dataclasses import dataclass

from tests.docs.pages import ROOT

LEVELS = {
    "debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error",
}  # fmt: skip
PACKAGES = ("service", "policies", "handlers")
LOGGER = "structlog.get_logger()"


@dataclass(frozen=True)
class Line:
    """One call: its event, None where that is put together, and its fields."""

    where: str
    event: str | None
    level: str | None
    fields: frozenset[str]


def sources():
    """Every module of the packages, as path and text."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def lines(where, text):
    """The calls of a module's logger, which is called `log`."""
    tree = ast.parse(text)
    if not any(isinstance(node, ast.Assign) and ast.unparse(node) == f"log = {LOGGER}" for node in tree.body):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [_line(where, call) for call in calls if _of_log(call.func)]


def _of_log(called):
    return isinstance(called, ast.Attribute) and ast.unparse(called.value) == "log"


def _line(where, call):
    literal = len(call.args) == 1 and isinstance(call.args[0], ast.Constant)
    event = call.args[0].value if literal else None
    level = LEVELS.get(call.func.attr)
    fields = {word.arg or "**" for word in call.keywords}
    if call.func.attr == "exception" or "exc_info" in fields:
        fields = fields - {"exc_info"} | {"exception"}
    return Line(f"{where}:{call.lineno}", event, level, frozenset(fields))
