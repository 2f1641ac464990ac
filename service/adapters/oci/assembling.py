"""From a recipe to an image: which layers there are, in which order, and what the config says.

The same recipe gives the same digest on every host of the same Python: nothing of the build's name,
time or place goes in. Layers: base (what the host must be), env (packages, keyed by the lock file),
server (ours, for `mlflow`), model, code.
"""

from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from service.adapters.oci import content, installing, locks
from service.adapters.oci.bases import FOUNDATION, USER
from service.adapters.oci.blobs import MANIFEST, Layout, canonical
from service.adapters.oci.interpreter import Interpreter
from service.adapters.oci.layers import Layer, LayerWriter
from service.adapters.oci.workshop import Workshop
from service.ports.builds import Image, Recipe
from service.ports.git import GitHost
from service.ports.outcomes import Refused
from service.ports.registries import ModelRegistry

SERVER = "/opt/segue/server"
KIND, PATH = "segue.layer", "segue.path"
_MLFLOW = ("mlflow",)
_OF_MODEL = {"segue.model", "segue.registered"}  # labels that are the same for the same files
_CONFIG = "application/vnd.oci.image.config.v1+json"


def assemble(shop: Workshop, recipe: Recipe, open_source: Callable[[str], Any]) -> Image:
    """Make the image and name it in the layout. Raises `Refused` or `Retry`, as sources do."""
    layout, log = shop.layout, shop.log
    layout.prepare()
    git: GitHost | None = open_source(recipe.code.source) if recipe.code else None
    registry: ModelRegistry | None = open_source(recipe.model.source) if recipe.model else None
    layers = [_base(layout, shop.interpreter)]
    lock, found = _locked(shop, recipe, git, registry)
    log("packages")
    layers.append(installing.env_layer(shop, lock, found))
    if recipe.run == _MLFLOW:
        layers.append(_server(layout))
    weights: tuple[tuple[Layer, bool], ...] = ()
    if recipe.model and registry and recipe.files != "elsewhere":
        log("model files")
        path = "/" if recipe.files == "image" else content.MODEL
        model = content.model_layer(layout, registry, recipe.model, path)
        weights, layers = ((model,), layers) if recipe.files == "image" else ((), [*layers, model])
    if recipe.code and git:
        log("code")
        layers.append(content.code_layer(layout, git, recipe.code))
    digest = _manifest(shop, recipe, [layer for layer, _ in layers])
    layout.name(recipe.name, digest)
    layout.remember(_pins_key(digest), {"pins": [asdict(pin) for pin in found]})
    kinds = tuple((layer.kind, "cached" if known else "built") for layer, known in (*layers, *weights))
    told = tuple(pair for pair in kinds if pair[0] != "server")
    return Image(digest, told, _weights(shop, recipe, weights[0][0]) if weights else None)


def pins_of(layout: Layout, digest: str) -> tuple[locks.Pin, ...]:
    """The packages that were locked for an image that was assembled here."""
    facts = layout.recall(_pins_key(digest)) or {"pins": []}
    return tuple(locks.Pin(row["line"], row["name"], tuple(row["hashes"])) for row in facts["pins"])


def _pins_key(digest: str) -> str:
    return f"pins-{digest.removeprefix('sha256:')}"


def _locked(
    shop: Workshop, recipe: Recipe, git: GitHost | None, registry: ModelRegistry | None
) -> tuple[bytes, tuple[locks.Pin, ...]]:
    """The lock file's bytes and pins; a model's own requirements get their hashes here."""
    path, raw, generate = _lock_file(recipe, git, registry)
    found = locks.pins(raw, path)
    if recipe.run == _MLFLOW and not {"mlflow", "mlflow-skinny"} & {pin.name for pin in found}:
        raise Refused(
            f"{path} of the model does not name mlflow, which serves it; add mlflow-skinny==<version>"
        )
    if locks.hashed(found, path):
        return raw, found
    if not generate:
        raise Refused(f"{path} has no hashes; {locks.how_to_hash(path)}")
    shop.log("resolving the model's requirements")
    raw = installing.resolve(shop, found)
    return raw, locks.pins(raw, path)


def _lock_file(
    recipe: Recipe, git: GitHost | None, registry: ModelRegistry | None
) -> tuple[str, bytes, bool]:
    """Its name and content, and whether its hashes may be generated: only for a model's own pins."""
    if recipe.lock is not None:
        code = content.code_file(git, recipe.code, recipe.lock) if git and recipe.code else None
        if code is not None:
            return recipe.lock, code, False
        model = content.model_file(registry, recipe.model, recipe.lock) if registry and recipe.model else None
        if model is not None:
            return recipe.lock, model, True
        raise Refused(
            f"there is no lock file {recipe.lock!r}{_place(recipe)}; {locks.how_to_hash(recipe.lock)}"
        )
    if registry and recipe.model:
        for name in ("requirements.lock", "requirements.txt"):
            model = content.model_file(registry, recipe.model, name)
            if model is not None:
                return name, model, True
    return "requirements", b"", False


def _place(recipe: Recipe) -> str:
    if recipe.code:
        return f" in folder {recipe.code.folder or '.'!r} at commit {recipe.code.commit[:12]}"
    if recipe.model:
        return f" among the files of {recipe.model.name!r} version {recipe.model.version}"
    return ""


def _base(layout: Layout, interpreter: Interpreter) -> tuple[Layer, bool]:
    text = canonical(interpreter.description) + b"\n"
    with LayerWriter(layout, "base", "/opt/segue/base", compress=False) as writer:
        writer.file("interpreter.json", len(text), [text])
    return writer.layer, True  # nothing of it is ever made by hand or fetched


def _server(layout: Layout) -> tuple[Layer, bool]:
    text = files("service.adapters.oci").joinpath("scoring_server.py").read_bytes()
    with LayerWriter(layout, "server", SERVER, compress=False) as writer:
        writer.file("scoring_server.py", len(text), [text])
    return writer.layer, True


def _manifest(shop: Workshop, recipe: Recipe, layers: list[Layer]) -> str:
    config = canonical(_config(shop, recipe, layers))
    marks = {KIND: FOUNDATION, PATH: "/"}
    below = [{**layer, "annotations": marks} for layer in (shop.base.layers if shop.base else ())]
    return _put(shop.layout, config, [*below, *map(_descriptor, layers)], dict(recipe.labels))


def _put(layout: Layout, config: bytes, layers: list[dict[str, Any]], annotations: dict[str, str]) -> str:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": layout.put(config), "size": len(config)},
        "layers": layers,
        "annotations": annotations,
    }
    return layout.put(canonical(manifest))


def _descriptor(layer: Layer) -> dict[str, Any]:
    return {
        "mediaType": layer.media_type,
        "digest": layer.digest,
        "size": layer.size,
        "annotations": {KIND: layer.kind, PATH: layer.path},
    }


def _weights(shop: Workshop, recipe: Recipe, layer: Layer) -> str:
    """An image of the model's files and nothing else, which nodes can mount; it is never run."""
    config = {
        "architecture": shop.interpreter.architecture,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer.uncompressed]},
        "history": [{"created_by": "segue: model files"}],
    }
    labels = {name: value for name, value in recipe.labels if name in _OF_MODEL}
    return _put(shop.layout, canonical(config), [_descriptor(layer)], labels)


def _config(shop: Workshop, recipe: Recipe, layers: list[Layer]) -> dict[str, Any]:
    base, interpreter = shop.base, shop.interpreter
    env = dict(entry.partition("=")[::2] for entry in (base.env if base else ()))
    env |= {"PYTHONPATH": installing.ENV, "PYTHONUNBUFFERED": "1", "PORT": str(recipe.port)}
    command = list(recipe.run)
    if recipe.model:
        env["SEGUE_MODEL_PATH"] = content.MODEL
    if recipe.run == _MLFLOW:
        command = ["python", f"{SERVER}/scoring_server.py", content.MODEL]
    below = base.diff_ids if base else ()
    labels = {f"segue.base.{name}": value for name, value in interpreter.description.items()}
    return {
        "architecture": interpreter.architecture,
        "os": "linux",
        "config": {
            "Env": [f"{name}={value}" for name, value in sorted(env.items())],
            "Cmd": command,
            "WorkingDir": content.APP if recipe.code else "/opt/segue",
            "Labels": {**labels, **dict(recipe.labels)},
            "ExposedPorts": {f"{recipe.port}/tcp": {}},
            **({"User": USER} if base else {}),
        },
        "rootfs": {"type": "layers", "diff_ids": [*below, *(layer.uncompressed for layer in layers)]},
        "history": [
            *({"created_by": "segue: base image"} for _ in below),
            *({"created_by": f"segue: {layer.kind} layer"} for layer in layers),
        ],
    }
