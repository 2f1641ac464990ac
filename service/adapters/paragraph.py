"""Segue's own paragraph in a description that people write: a line for each target, between two marks.

    What people wrote, before and after.

    <!-- segue -->
    * churn/production: rel-4 on churn/production is promoted, 2026-11-26T14:03:12Z: proven by its guards
    <!-- /segue -->

Both marks are comments, which Markdown does not show. Whatever is not between them stays as it is.
"""

import re

from service.adapters.markdown import escaped

MOST = 5_000  # characters of a whole description: what MLflow's column holds
MOST_LINE = 600
_BEGIN, _END = "<!-- segue -->", "<!-- /segue -->"
_OURS = re.compile(rf"{_BEGIN}\n(?P<lines>(?:\* .*\n)*){_END}")


def put(before: str, about: str, text: str) -> str:
    """The description with this line about a target, after those about others; the oldest of them goes where
    there is no room, and nothing is changed where there is still none."""
    found = _OURS.search(before)
    start = f"* {escaped(about, MOST_LINE)}: "
    known = found["lines"].splitlines() if found else []
    lines = [*(one for one in known if not one.startswith(start)), start + escaped(text, MOST_LINE)]
    while lines:
        after = _with(before, found, "\n".join((_BEGIN, *lines, _END)))
        if len(after) <= MOST:
            return after
        lines = lines[1:]
    return before


def _with(before: str, found: re.Match[str] | None, paragraph: str) -> str:
    if found is not None:
        return before[: found.start()] + paragraph + before[found.end() :]
    return f"{before.rstrip()}\n\n{paragraph}" if before.strip() else paragraph
