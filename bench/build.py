"""How long it takes until the image of a changed model is ready: 100 MB of new weights, nothing else new.

Run from the repository's root: `python bench/build.py [--json]`; about a minute, the first time two (the
packages are installed once, over the network). The real builder with its detached process, the code from
a real bare repository, the model over HTTP. The peer is zlib, level 6, over the same bytes in this process:
what a layer compressed the usual way would take for that alone.
"""

import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

from bench.registry import Registry
from bench.report import Row, report
from bench.repository import Repository
from service import plugins, sources
from service.adapters.oci.blobs import exclusive
from service.ports.builds import CodeReference, Image, ImageBuilder, ModelReference, Recipe
from service.ports.connections import Source
from service.ports.outcomes import Failed, Working
from service.settings import Settings

LIMIT, ROUNDS, SIZE = 2.0, 7, 100_000_000
EXAMPLE = Path(__file__).parents[1] / "examples" / "wine"


class BuildError(Exception):
    """A build ended without an image."""


def main() -> int:
    """Build once with everything new, then with another model each time."""
    folder = Path(tempfile.mkdtemp(prefix="segue-bench-"))
    try:
        with Registry() as registry:
            return measured(folder, registry)
    finally:
        shutil.rmtree(folder)


def measured(folder: Path, registry: Registry) -> int:
    """The table; the image's layers say what was built and what was there."""
    settings = Settings(home=folder / "home", git_roots=(folder,))
    settings.home.mkdir()
    code = Repository(folder)
    commit = code.push({path.name: path.read_bytes() for path in EXAMPLE.iterdir() if path.is_file()})
    places = (
        Source("code", "bare", str(code.bare), ("*",)),
        Source("models", "mlflow", registry.url, ("*",)),
    )
    sources.save(settings.home, places)
    builder: ImageBuilder = plugins.load("image_builders", "oci").open(settings)
    builds, peers = [], []
    layers: tuple[tuple[str, str], ...] = ()
    for number in range(ROUNDS + 1):
        weights = np.random.default_rng(number).standard_normal(SIZE // 4, dtype=np.float32).tobytes()
        registry.versions[str(number)] = weights
        seconds, image = build(builder, settings, commit, str(number))
        if number == 0:
            first = seconds
            continue
        builds.append(seconds)
        layers = image.layers
        began = time.perf_counter()
        zlib.compress(weights, 6)
        peers.append(time.perf_counter() - began)
        registry.versions.clear()
    rows = [
        Row("image ready, limit 2 s", tuple(builds), LIMIT, "s"),
        Row(
            "image ready, zlib alone as peer", tuple(builds), sorted(peers)[len(peers) // 2], "s", held=False
        ),
    ]
    notes = [
        "layers: " + ", ".join(f"{kind} {how}" for kind, how in layers),
        f"the first build, with all packages: {first:.1f} s",
    ]
    return report("image of a 100 MB model change", rows, notes)


def build(builder: ImageBuilder, settings: Settings, commit: str, version: str) -> tuple[float, Image]:
    """Seconds until the image is ready, and the image."""
    name = f"bench-{version}"
    run = ("python", "serve.py")
    code, model = CodeReference("code", commit, ""), ModelReference("models", "bench", version)
    began = time.perf_counter()
    builder.start(Recipe(name, code, model, "requirements.lock", run, 8080))
    while isinstance(state := builder.state(name), Working):
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    if isinstance(state, Failed):
        raise BuildError(f"{state.reason}\n{state.log}")
    assert isinstance(state, Image)
    with exclusive(settings.home / "builds" / name / "running"):
        pass  # what it does after its answer shall not run beside the next round
    return seconds, state


if __name__ == "__main__":
    sys.exit(main())
