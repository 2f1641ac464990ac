"""The names of this machine in addresses: no proxy leads to it, and who is elsewhere cannot reach it."""

from urllib.parse import urlsplit

HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def leads_here(address: str) -> bool:
    """Whether an address names this machine."""
    return urlsplit(address).hostname in HERE
