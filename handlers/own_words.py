"""Which lines of a text its writer said, and did not quote or show: no code, no quote, nothing hidden.

A text is Markdown as Git hosts and chats show it. Lines end as there (CommonMark 0.31, 2.1) and nowhere else:
a quote of somebody's line that holds another separator of Unicode is still one quoted line. Fences are those
of CommonMark (4.5) and `>>>` of GitLab; what begins a line of HTML is its kinds 1 and 2 (4.6), code, quotes.
"""

import re
from collections.abc import Iterator

_LINE_END = re.compile(r"\r\n|\n|\r")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*\Z)|~{3,}|>{3,}(?=[ \t]*\Z))")
_HTML = re.compile(r" {0,3}<(!--|(?:pre|code|blockquote|script|style|textarea)(?=[\s>]|\Z))", re.IGNORECASE)


def lines(text: str) -> Iterator[str]:
    """These lines, in order. What was begun and not ended goes to the text's end."""
    end: re.Pattern[str] | None = None
    for line in _LINE_END.split(text):
        if end is not None:
            end = None if end.search(line) else end
        elif (end := _ended_by(line)) is None:
            yield line


def _ended_by(line: str) -> re.Pattern[str] | None:
    """How the line ends that ends what this one begins; None where it begins nothing beyond itself."""
    if (fence := _FENCE.match(line)) is not None:
        mark = fence[1]
        return re.compile(rf"\A {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*\Z")
    if (html := _HTML.match(line)) is None:
        return None
    end = re.compile("-->" if html[1] == "!--" else rf"</{html[1]}\s*>", re.IGNORECASE)
    return None if end.search(line, html.end()) else end
