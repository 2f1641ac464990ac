"""What can go wrong when Segue is asked.

ClientError
├── Unreachable   nothing was answered in time; a command may have been stored all the same
└── Refusal       it was answered no; `status` says which kind of no
"""


class ClientError(Exception):
    """Segue did not do what was asked."""


class Unreachable(ClientError):
    """Segue does not answer."""


class Refusal(ClientError):
    """Segue says no, and why. `retry_after`: seconds after which it may say yes, where it said so."""

    def __init__(self, why: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after
