"""What one build works with, passed along together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.adapters.oci.blobs import Layout
from service.adapters.oci.interpreter import Interpreter
from service.adapters.oci.system import System


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where images go, what they run on, a folder for scraps, and a place for words to people.

    `system` is what lies below an image where something else than this machine runs it.
    """

    layout: Layout
    interpreter: Interpreter
    work: Path
    log: Callable[[str], None]
    system: System | None = None
