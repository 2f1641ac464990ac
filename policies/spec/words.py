"""Splitting a command line into an argument list, as a shell would, without there being a shell.

Quotes and backslashes work as people expect. What only a shell can do (pipes, redirections,
variables, patterns) is refused with the reason, because it would silently mean something else.
"""

from policies.spec.wrong import Wrong

_OPERATORS = {
    "|": "a pipe",
    "&": "`&`",
    ";": "`;`",
    "<": "a redirection",
    ">": "a redirection",
    "(": "a subshell",
    ")": "a subshell",
    "\n": "a second line",
}
_PATTERNS = "*?["
_NO_SHELL = "no shell runs it; put it in a script, or quote it with '…' if it is meant literally"


def split(text: str) -> tuple[str, ...]:
    """The arguments; raises `Wrong` for an open quote and for anything that needs a shell."""
    splitter = _Splitter(text.strip())
    words = splitter.words()
    if not words:
        raise Wrong("is empty; name the program to run")
    if splitter.bare_first and "=" in words[0]:
        raise Wrong(f"sets a variable (`{words[0]}`), but no shell runs it; name the program first")
    return tuple(words)


class _Splitter:
    """One pass over one text; lives as long as one call of `split`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.bare_first = True

    def words(self) -> list[str]:
        words: list[str] = []
        while self._at < len(self._text):
            if self._text[self._at] in " \t":
                self._at += 1
            else:
                words.append(self._word(first=not words))
        return words

    def _word(self, *, first: bool) -> str:
        parts: list[str] = []
        if self._text[self._at] == "~":
            raise Wrong(f"uses `~`, but {_NO_SHELL}")
        while self._at < len(self._text) and self._text[self._at] not in " \t":
            letter = self._text[self._at]
            self._at += 1
            if letter in "'\"":
                self.bare_first = self.bare_first and not first
                parts.append(self._quoted(letter))
            elif letter == "\\":
                parts.append(self._next("ends in a backslash"))
            else:
                parts.append(_bare(letter))
        return "".join(parts)

    def _quoted(self, quote: str) -> str:
        parts: list[str] = []
        while True:
            letter = self._next(f"has an open quote ({quote})")
            if letter == quote:
                return "".join(parts)
            if quote == '"' and letter in "$`":
                raise Wrong(f"uses `{letter}`, but {_NO_SHELL}")
            if (
                quote == '"'
                and letter == "\\"
                and self._text[self._at : self._at + 1] in {'"', "\\", "$", "`"}
            ):
                letter = self._next("ends in a backslash")
            parts.append(letter)

    def _next(self, otherwise: str) -> str:
        if self._at >= len(self._text):
            raise Wrong(otherwise)
        self._at += 1
        return self._text[self._at - 1]


def _bare(letter: str) -> str:
    if letter in _OPERATORS:
        raise Wrong(f"uses {_OPERATORS[letter]}, but {_NO_SHELL}")
    if letter == "$":
        raise Wrong(f"uses a variable (`$`), but {_NO_SHELL}")
    if letter == "`":
        raise Wrong(f"uses a command substitution, but {_NO_SHELL}")
    if letter in _PATTERNS:
        raise Wrong(f"uses a file pattern (`{letter}`), but {_NO_SHELL}")
    return letter
