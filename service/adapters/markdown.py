"""Text of others within Markdown: shown as it is, on one line. No markup of it, no tag, no link."""

import html
import re

from service.adapters.repository import notes

_MARKS = re.compile(r"([\\`*_{}\[\]()#!|~])")
_LINKS = re.compile(r"://|(?<=www)\.", re.IGNORECASE)


def escaped(text: str, most: int) -> str:
    """The first `most` characters of it. Addresses are taken apart, as renderers link those by themselves."""
    line = notes.plain(" ".join(text.split()))
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    marked = _MARKS.sub(r"\\\1", html.escape(line, quote=False))
    return _LINKS.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", marked)
