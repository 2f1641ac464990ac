"""The model registry of an MLflow server: names, versions, aliases, tags, and files as streams.

Aliases come whole with the list of models, a page at a time. No answer is kept: what was true a
moment ago is what webhooks tell, and those are only hints.
"""

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any, Self

from service.adapters import paragraph
from service.adapters.mlflow import files, webhooks
from service.adapters.mlflow.rest import API, Missing, Rest
from service.adapters.understood import understood
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.ports.registries import ModelVersion
from service.settings import Settings

_DESCRIPTION = "MLmodel"  # says what the model is and when it was logged
_SMALL = 1 << 20
_PAGE = "200"
_SHOWN = 10


@understood
class MlflowRegistry:
    """One MLflow server."""

    def __init__(self, rest: Rest, webhook: str) -> None:
        """`webhook` is the name under which the server knows the webhook of this installation."""
        self._rest = rest
        self._webhook = webhook

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The registry behind a source; its login is the secret `login-<source>`."""
        place = hashlib.sha256(f"{socket.gethostname()}:{settings.home}".encode()).hexdigest()[:8]
        name = re.sub(r"[^A-Za-z0-9._-]", "-", source.name[:40])
        login = settings.secret(f"login-{source.name}")
        return cls(Rest(source.url, source.name, login), f"segue-{name}-{place}")

    def aliases(self) -> dict[tuple[str, str], str]:
        """All (model, alias) with the version that each names now."""
        return {
            (str(model["name"]), str(alias["alias"])): str(alias["version"])
            for model in self._models()
            for alias in model.get("aliases", [])
        }

    def version(self, name: str, version: str) -> ModelVersion:
        """What the registry knows of it. Raises `Refused` with the known names where there is none."""
        found = self._version(name, version)
        return ModelVersion(
            name,
            version,
            found.get("run_id") or None,
            tuple(sorted((str(tag["key"]), str(tag["value"])) for tag in found.get("tags", []))),
            self._digest(found),
            found.get("user_id") or None,
        )

    def files(self, name: str, version: str) -> tuple[tuple[str, int], ...]:
        """Relative paths and sizes of the version's files."""
        return files.listed(self._rest, files.place_of(self._rest, self._version(name, version)))

    def read(self, name: str, version: str, path: str) -> Iterator[bytes]:
        """One file in pieces; Segue holds no more of it than one."""
        inside = files.safe(path)
        return files.read(self._rest, files.place_of(self._rest, self._version(name, version)), inside)

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Make the alias name this version; None removes it. Absolute, safe to repeat."""
        told = {"name": name, "alias": alias}
        try:
            if version is None:
                self._rest.send("DELETE", "/registered-models/alias", told)
            else:
                self._rest.send("POST", "/registered-models/alias", {**told, "version": version})
        except Missing as error:
            raise self._missing(name, version) from error

    def set_tags(self, name: str, version: str, tags: tuple[tuple[str, str], ...]) -> None:
        """Set these tags of the version; others stay."""
        try:
            for key, value in tags:
                told = {"name": name, "version": version, "key": key, "value": value}
                self._rest.send("POST", "/model-versions/set-tag", told)
        except Missing as error:
            raise self._missing(name, version) from error

    def describe(self, name: str, version: str, about: str, text: str) -> None:
        """One line of the version's description, which nobody can lock: what people save in the same moment
        may be lost, or ours."""
        before = str(self._version(name, version).get("description") or "")
        wanted = paragraph.put(before, about, text)
        if wanted != before:
            told = {"name": name, "version": version, "description": wanted}
            self._rest.send("PATCH", "/model-versions/update", told)

    def register_webhook(self, address: str, secret: str) -> None:
        """Have the server tell this address when an alias moves; safe to repeat."""
        webhooks.register(self._rest, self._webhook, address, secret)

    def has_webhook(self, address: str) -> bool:
        """Whether an active webhook of the server leads to this address."""
        return webhooks.leads_to(self._rest, address)

    def _models(self) -> Iterator[dict[str, Any]]:
        path = f"{API}/registered-models/search"
        return self._rest.pages(path, "registered_models", {"max_results": _PAGE})

    def _version(self, name: str, version: str) -> dict[str, Any]:
        try:
            found = self._rest.get("/model-versions/get", "model_version", name=name, version=version)
        except Missing as error:
            raise self._missing(name, version) from error
        if found.get("status") == "PENDING_REGISTRATION":
            raise Retry(f"version {version} of model {name!r} is still being registered", after=2)
        return found

    def _digest(self, found: dict[str, Any]) -> str:
        """Pins the files by path and size, by where they were logged, and by the model's description."""
        place = files.place_of(self._rest, found)
        listed = files.listed(self._rest, place)
        digest = hashlib.sha256(json.dumps([found.get("source"), listed]).encode())
        if dict(listed).get(_DESCRIPTION, _SMALL) < _SMALL:
            for piece in files.read(self._rest, place, _DESCRIPTION):
                digest.update(piece)
        return digest.hexdigest()

    def _missing(self, name: str, version: str | None) -> Refused:
        """What is known instead: the newest version, or the first models."""
        try:
            model = self._rest.get("/registered-models/get", "registered_model", name=name)
        except Missing:
            known = sorted(str(model["name"]) for model in islice(self._models(), int(_PAGE)))
            near = get_close_matches(name, known, 1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            shown = ", ".join(known[:_SHOWN]) or "none"
            return Refused(f"the registry has no model {name!r}{meant}; known: {shown}")
        newest = [int(latest["version"]) for latest in model.get("latest_versions", [])]
        known_version = f"the newest is {max(newest)}" if newest else "it has none"
        return Refused(f"model {name!r} has no version {version}; {known_version}")
