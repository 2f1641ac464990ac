"""What a terminal shows is what was said: no word of somebody else's is taken for a colour, a link or a face."""

import pytest

from service.cli.context import console
from service.showing import terminal

SAID = "pip install 'segue[embedded]' [red]now[/red] [/bold] :smile: [link=http://evil.example]here[/link]"


def event(**facts):
    plain = {"id": "e1", "source": "git", "state": "done", "led": [], "at": 0.0, "what": "a push", "text": ""}
    return {**plain, **facts}


@pytest.mark.parametrize(
    "shown",
    [
        SAID,
        terminal.events([event(what=SAID)]),
        terminal.events([event(text=SAID)]),
        terminal.events([event(source=SAID)]),
    ],
    ids=["a line", "an event", "what was said of it", "a name"],
)
def test_words_of_others_are_words(shown, capsys):
    wide = console()
    wide.width = 400
    wide.print(shown)
    assert SAID in capsys.readouterr().out
