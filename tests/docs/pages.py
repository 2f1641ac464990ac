"""The documentation as tests read it: pages, code blocks, tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]))


def name(path):
    """How a page is called in a test's name."""
    return str(path.relative_to(ROOT))


def text(path):
    return (ROOT / path).read_text()


def blocks(path, language):
    """The code blocks of one language, with the words after it: ```yaml refused."""
    found = re.findall(rf"^```{language}([^\n]*)\n(.*?)^```", text(path), re.MULTILINE | re.DOTALL)
    return [(words.split(), body) for words, body in found]


def cells(path):
    """All rows of all tables, as lists of cells."""
    rows = [line for line in text(path).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def section(path, heading):
    """The text below a heading, up to the next one of its own level or above."""
    lines = text(path).splitlines()
    start = lines.index(heading)
    level = len(heading) - len(heading.lstrip("#"))
    ends = re.compile(rf"#{{1,{level}}} ")
    rest = lines[start + 1 :]
    stop = next((at for at, line in enumerate(rest) if ends.match(line)), len(rest))
    return "\n".join(rest[:stop])
