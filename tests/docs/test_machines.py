"""The diagrams show exactly the transitions that the machines make."""

import re

from tests.docs.machines import release_transitions, version_transitions
from tests.docs.pages import blocks

ARROW = re.compile(r"^\s*(\S+) --> (\S+?)(?::.*)?$", re.MULTILINE)


def drawn(number):
    (_, body) = blocks("docs/how-it-works.md", "mermaid")[number]
    pairs = {tuple(end.replace("_", " ") for end in pair) for pair in ARROW.findall(body)}
    return {pair for pair in pairs if "[*]" not in pair}


def test_the_version_machine_is_drawn_as_it_is():
    assert drawn(0) == version_transitions()


def test_the_release_machine_is_drawn_as_it_is():
    assert drawn(1) == release_transitions()
