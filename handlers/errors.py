"""What can be wrong with a delivery.

HandlerError
├── Unverified    the sender is not who the source expects: answered 401
└── Malformed     signed well, and not in the form that the sender's contract says
"""


class HandlerError(Exception):
    """The delivery cannot be used."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class Unverified(HandlerError):
    """The signature is missing or wrong."""


class Malformed(HandlerError, ValueError):
    """The body is not in the form that its sender documents."""
