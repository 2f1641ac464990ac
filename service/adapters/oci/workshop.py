"""What one build works with, passed along together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.adapters.oci.bases import Base
from service.adapters.oci.blobs import Layout
from service.adapters.oci.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where images go, what they run on, a folder for scraps, and a place for words to people.

    `base` None: images run on this host only.
    """

    layout: Layout
    interpreter: Interpreter
    work: Path
    log: Callable[[str], None]
    base: Base | None = None
