"""Removes what no image needs: images that nobody keeps, their layers, roots and unpacked files.

A build that runs now may have written blobs which the index does not name yet, so nothing younger
than the grace time is touched. What it removes can be built again.
"""

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from service.adapters.oci.blobs import Layout
from service.adapters.oci.layout import discard

GRACE = 3600.0  # longer than any build


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed."""

    images: int
    blobs: int
    bytes: int


def gc(home: Path, keep: Iterable[str], grace: float = GRACE) -> Collected:
    """Remove all images but those whose digest is in `keep` and those younger than the grace time."""
    layout, kept = Layout(home), set(keep)
    if not layout.root.is_dir():
        return Collected(0, 0, 0)
    before = time.time() - grace
    with layout.locked():
        images = layout.images()
        staying = [e for e in images if e["digest"] in kept or not _older(layout.blob(e["digest"]), before)]
        layout.write_index(staying)
        wanted = _referred(layout, {entry["digest"] for entry in staying})
        roots = {entry["digest"] for entry in staying}
        _discard_all(layout.root / "roots", roots, before)
        _discard_all(layout.root / "unpacked", wanted, before)
        blobs = [p for p in _files(layout) if f"sha256:{p.name}" not in wanted and _older(p, before)]
        size = sum(path.stat().st_size for path in blobs)
        for path in blobs:
            path.unlink()
        for path in (layout.root / "incoming").iterdir():
            if _older(path, before):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return Collected(len(images) - len(staying), len(blobs), size)


def forget_builds(home: Path, age: float) -> int:
    """Remove the folders of builds that ended so many seconds ago; their images stay. Returns how many."""
    before, count = time.time() - age, 0
    for result in (home / "builds").glob("*/result.json"):
        if _older(result, before):
            shutil.rmtree(result.parent, ignore_errors=True)
            count += 1
    return count


def _referred(layout: Layout, digests: set[str]) -> set[str]:
    found = set(digests)
    for digest in digests:
        manifest = layout.read(digest)
        found |= {blob["digest"] for blob in (manifest["config"], *manifest["layers"])}
    return found


def _discard_all(folder: Path, wanted: set[str], before: float) -> None:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if f"sha256:{path.name}" not in wanted and _older(path, before):
            discard(path)


def _files(layout: Layout) -> list[Path]:
    return list((layout.root / "blobs" / "sha256").iterdir())


def _older(path: Path, before: float) -> bool:
    try:
        return path.lstat().st_mtime < before
    except FileNotFoundError:
        return True
