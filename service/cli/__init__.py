"""The command line, `segue`. Each module holds the commands of one purpose; this one joins them."""

from service.cli.main import main

__all__ = ["main"]
