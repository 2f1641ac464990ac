"""What can go wrong with a store or at the start, in the words that callers act on; no code beside the
classes.

StartError            an installation does not start: say so and end
StoreError
├── StoreRefused      the place or the database cannot be used: say so and end
├── StoreUnavailable  full, locked, restarting or slow: nothing was stored, try again later
│   └── StoreBroken   the disk failed or the file is damaged: end the process
└── Conflict          somebody else changed it first: read again, decide again
"""


class StartError(Exception):
    """Segue cannot start."""


class StoreError(Exception):
    """A store did not do what was asked; nothing of the transaction was stored."""


class StoreRefused(StoreError):
    """This store must not be used as it is."""


class StoreUnavailable(StoreError):
    """The store cannot be used now."""


class StoreBroken(StoreUnavailable):
    """The store's disk or file is damaged."""


class Conflict(StoreError):
    """The row is no longer what it was when it was read."""
