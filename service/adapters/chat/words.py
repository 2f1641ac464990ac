"""Text as a chat shows it as it is: no markup, no mention, no control character, whatever it holds."""

import re

from service.adapters.repository.notes import plain as visible

_TICKS = re.compile(r"`+")
# Marks that turn the direction of what follows, or are not seen: text that looks like another.
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u061c\u180e]")


def plain(text: str) -> str:
    """Visible, whoever wrote it."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", visible(text.replace("\t", " ")))


def cut(text: str, most: int) -> str:
    """At most so many characters, with a mark where it was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def fenced(text: str) -> str:
    """In a fence of Markdown, which nothing in the text ends."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
