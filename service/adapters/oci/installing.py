"""Installs locked wheels into a folder with uv, without running anything that they contain.

Wheels only, hashes always, no bytecode. Package indexes and certificates come from the environment
and configuration of the machine; they reach the installer and nothing else, and logins in URLs are
struck from what is logged. Paths files (`.pth`), which an interpreter would execute, are left out.
"""

import configparser
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from uv import find_uv_bin

from service.adapters.oci.blobs import canonical, exclusive, write_whole
from service.adapters.oci.layers import Layer, LayerWriter, cached
from service.adapters.oci.locks import Pin, written
from service.adapters.oci.workshop import Workshop
from service.ports.outcomes import Refused

ENV = "/opt/segue/env"
_PASSED = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA")
_PIP_TO_UV = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
_LOGIN = re.compile(r"(\w+://)[^/\s@]+@")
_DROPPED = {"uv_cache.json", "direct_url.json"}  # facts about this machine, not about the package
# These would change what is installed, or where; hashes are never optional.
_NEVER = {"UV_NO_VERIFY_HASHES", "UV_WORKING_DIR", "UV_PROJECT", "UV_PYTHON", "UV_OVERRIDE", "UV_EXCLUDE"}
_SYSTEM_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_SECONDS = 1800
_TAIL = 4000
AUTHORITIES = "REQUESTS_CA_BUNDLE"  # a file; for registries and MLflow, of which the installer needs none

Log = Callable[[str], None]


def passed(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ours that an installer needs: indexes, their logins, certificates, proxies, HOME."""
    return {
        name: value
        for name, value in environ.items()
        if (name.startswith(_PASSED) and name not in _NEVER)
        or name.upper().endswith("_PROXY")
        or name in {"HOME", "PATH", "LANG", "NETRC", AUTHORITIES}
    }


def env_layer(shop: Workshop, lock: bytes, found: tuple[Pin, ...]) -> tuple[Layer, bool]:
    """The layer with the packages of the lock file, and whether it was there already."""
    layout = shop.layout
    facts = {"lock": hashlib.sha256(lock).hexdigest(), "base": shop.interpreter.description, "form": 1}
    key = "env-" + hashlib.sha256(canonical(facts)).hexdigest()
    with exclusive(layout.root / "locks" / key):  # who comes second finds it made
        known = cached(layout, key)
        return (known, True) if known is not None else (_install_layer(shop, found, key), False)


def _install_layer(shop: Workshop, found: tuple[Pin, ...], key: str) -> Layer:
    layout = shop.layout
    target = Path(tempfile.mkdtemp(dir=layout.root / "incoming", prefix="env-"))
    try:
        if found:
            install(shop, found, target)
        with LayerWriter(layout, "env", ENV, compress=True) as writer:
            for name, path in _files(target, shop.log):
                content = _portable(path)
                executable = bool(path.stat().st_mode & 0o100)
                writer.file(name, len(content), [content], executable=executable)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    layout.remember(key, writer.layer.facts())
    return writer.layer


def install(shop: Workshop, found: tuple[Pin, ...], target: Path) -> None:
    """Put the packages into the folder."""
    requirements = shop.work / "requirements.lock"
    write_whole(requirements, written(found).encode())
    options = ["--target", str(target), "--require-hashes", "--only-binary", ":all:", "--no-compile-bytecode"]
    _uv(shop, ["install", *options, "-r", str(requirements)])


def resolve(shop: Workshop, found: tuple[Pin, ...]) -> bytes:
    """A lock file with hashes for pins that have none; the answer is kept for the same pins."""
    facts = {"pins": written(found), "base": shop.interpreter.description}
    key = "resolved-" + hashlib.sha256(canonical(facts)).hexdigest()
    known = shop.layout.recall(key)
    if known is not None:
        return str(known["lock"]).encode()
    source, output = shop.work / "requirements.in", shop.work / "resolved.lock"
    write_whole(source, written(found).encode())
    options = ["--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate"]
    silent = ["--no-emit-index-url", "--quiet", "--output-file", str(output)]
    _uv(shop, ["compile", *options, *silent, str(source)])
    lock = output.read_bytes()
    shop.layout.remember(key, {"lock": lock.decode()})
    return lock


def _uv(shop: Workshop, arguments: list[str]) -> None:
    environ = machine(os.environ)
    environ.setdefault("UV_CACHE_DIR", str(shop.layout.root / "cache" / "uv"))
    environ["UV_PYTHON_DOWNLOADS"] = "never"
    command = [find_uv_bin(), "pip", *arguments, "--python", str(shop.interpreter.path), "--no-progress"]
    shop.log(f"uv pip {arguments[0]}")
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environ, cwd=shop.work, timeout=_SECONDS
    )
    said = _LOGIN.sub(r"\1***@", done.stderr + done.stdout).replace(f"{shop.work}/", "")
    shop.log(said[-_TAIL:].strip())
    if done.returncode != 0:
        lines = [line for line in said.strip().splitlines() if not line.startswith("Using ")]
        raise Refused(f"the packages could not be installed: {' '.join(' '.join(lines[-6:]).split())[:600]}")


def machine(environ: Mapping[str, str]) -> dict[str, str]:
    """The installer's environment: what pip is told on this machine holds for uv, too."""
    found = passed(environ)
    parser = configparser.RawConfigParser()
    home = Path(environ.get("HOME") or "/")
    parser.read(["/etc/pip.conf", home / ".pip/pip.conf", home / ".config/pip/pip.conf"])
    for option, name in _PIP_TO_UV.items():
        variable = "PIP_" + option.upper().replace("-", "_")
        value = environ.get(variable) or parser.get("global", option, fallback="")
        if value:
            found.setdefault(
                name, ",".join(value.split()) if name == "UV_FIND_LINKS" else " ".join(value.split())
            )
    certificates = environ.get("PIP_CERT") or parser.get("global", "cert", fallback="")
    if certificates:
        found.setdefault("SSL_CERT_FILE", certificates)
    if any(Path(path).exists() for path in _SYSTEM_CERTIFICATES):
        found.setdefault("UV_SYSTEM_CERTS", "true")  # as pip does: a company's own authority is there
    return found


def _files(target: Path, log: Log) -> Iterator[tuple[str, Path]]:
    for path in sorted(target.rglob("*"), key=lambda path: path.relative_to(target).as_posix()):
        name = path.relative_to(target).as_posix()
        if path.is_symlink() or not path.is_file():
            continue
        if "/" not in name and (name.endswith(".pth") or name.startswith(".")):
            log(f"left out {name}")
            continue
        if "__pycache__" not in path.parts and path.name not in _DROPPED:
            yield name, path


def _portable(path: Path) -> bytes:
    """The file's content; a script's first line names any Python, not this machine's."""
    content = path.read_bytes()
    if path.parent.name == "bin" and content.startswith(b"#!"):
        first, _, rest = content.partition(b"\n")
        if b"python" in first:
            return b"#!/usr/bin/env python3\n" + rest
        if first == b"#!/bin/sh" and b"python" in rest[:300]:  # how long interpreter paths are written
            return b"#!/usr/bin/env python3\n" + rest.split(b"\n' '''\n", 1)[-1].split(b"' '''\n", 1)[-1]
    return content
