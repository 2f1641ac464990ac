"""Receivers: who is told of each turn of a release, and answers nothing but that it came."""

from typing import Protocol

from policies.notices import Notice


class Receiver(Protocol):
    """A connected receiver."""

    def check(self) -> str:
        """The address that it is known by. Raises `Refused` with what to mend, or `Retry`.

        Nothing is told by it; where a receiver can be asked whether it would let us in, it is.
        """
        ...

    def tell(self, notice: Notice, to: str = "") -> None:
        """Tell it, or whom it goes on to. The same notice again is known by the receiver for the same.

        Raises `Retry` where it is not ready, `Refused` where it does not want it.
        """
        ...
