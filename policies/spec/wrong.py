"""Why one text cannot be read as what its key wants; turned into a `Mistake` where the place is known."""


class Wrong(ValueError):
    """A text that cannot be read; the message completes "`key: text` …"."""

    def __init__(self, reason: str, nearest: str | None = None) -> None:
        super().__init__(reason)
        self.nearest = nearest
