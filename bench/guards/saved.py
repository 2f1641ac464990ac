"""What became of every run, kept in a file: pictures and tables can be made of it again."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bench.guards import fixed, whole
from bench.guards.targets import Found

_KINDS: dict[str, type] = {
    "equal": fixed.Caught,
    "worse": fixed.Caught,
    "often": fixed.Caught,
    "whole": whole.Went,
}


def write(path: Path, found: Found) -> None:
    """All of it; what did not happen is null."""
    plain = [[*key, {method: _plain(what) for method, what in cell.items()}] for key, cell in found.items()]
    path.write_text(json.dumps(plain))


def read(path: Path) -> Found:
    """What `write` wrote."""
    rows = json.loads(path.read_text())
    return {
        (kind, name): {m: _made(_KINDS[kind], one) for m, one in cell.items()} for kind, name, cell in rows
    }


def _plain(what: Any) -> dict[str, list[float | None]]:
    """Numbers to four digits: nobody draws or counts more of them."""
    return {
        part.name: [float(f"{v:.5g}") if np.isfinite(v) else None for v in getattr(what, part.name)]
        for part in fields(what)
    }


def _made(kind: type, row: dict[str, list[float | None]]) -> Any:
    return kind(**{name: np.array([np.inf if v is None else v for v in many]) for name, many in row.items()})
