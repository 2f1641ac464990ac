"""Reads one context of a kubeconfig: the cluster, the user, and who gives the user's credential.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Relative paths are relative
to the file that names them. Credential plugins and token files are given to `credentials`: the
client library would run a plugin without a time limit, and go on without a login where it fails.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from service.ports.outcomes import Refused

_FILES = {"cluster": ("certificate-authority",), "user": ("client-certificate", "client-key")}


@dataclass(frozen=True, slots=True)
class Plugin:
    """`exec` of a user: a program that prints a credential.

    `cluster` is told to a program that wants to know for whom; `hint` is what people read where the
    program is not installed.
    """

    command: str
    arguments: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    api_version: str
    cluster: dict[str, Any] | None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """One context: `config` is a kubeconfig that holds nothing else, and neither plugin nor token file."""

    config: dict[str, Any]
    proxy: str | None
    plugin: Plugin | None
    token_file: Path | None


def read(path: Path, context: str | None) -> Access:
    """The context's access; None: the current one. Raises `Refused` in people's words."""
    found = _load(path)
    name = context or found.get("current-context")
    if not name:
        raise Refused(f"{path} has no current context; name one of: {_names(found, 'contexts')}")
    chosen = _named(path, found, "contexts", name).get("context") or {}
    cluster = dict(_named(path, found, "clusters", chosen.get("cluster")).get("cluster") or {})
    user = (
        dict(_named(path, found, "users", chosen.get("user")).get("user") or {}) if "user" in chosen else {}
    )
    if not cluster.get("server"):
        raise Refused(f"{path}: the cluster {chosen.get('cluster')!r} has no server")
    _absolute(path, cluster, _FILES["cluster"])
    _absolute(path, user, _FILES["user"])
    plugin = _plugin(path, user.pop("exec", None), cluster)
    token_file = user.pop("tokenFile", None) if "token" not in user else None
    return Access(
        config={
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user}],
        },
        proxy=cluster.get("proxy-url") or None,
        plugin=plugin,
        token_file=path.parent / token_file if token_file else None,
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise Refused(f"the kubeconfig {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise Refused(f"the kubeconfig {path} is not YAML") from error
    if not isinstance(found, dict):
        raise Refused(f"{path} is not a kubeconfig")
    return found


def _named(path: Path, found: dict[str, Any], part: str, name: str | None) -> dict[str, Any]:
    for entry in found.get(part) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    raise Refused(f"{path} has no entry {name!r} in {part}; it has: {_names(found, part)}")


def _names(found: dict[str, Any], part: str) -> str:
    return ", ".join(str(e.get("name")) for e in found.get(part) or [] if isinstance(e, dict)) or "none"


def _absolute(path: Path, entry: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if entry.get(key):
            entry[key] = str(path.parent.absolute() / entry[key])


def _plugin(path: Path, told: dict[str, Any] | None, cluster: dict[str, Any]) -> Plugin | None:
    if told is None:
        return None
    command = told.get("command")
    if not command:
        raise Refused(f"{path}: the user's `exec` names no command")
    if "/" in command:
        command = str(path.parent.absolute() / command)
    return Plugin(
        command=command,
        arguments=tuple(str(argument) for argument in told.get("args") or ()),
        env=tuple((str(pair["name"]), str(pair["value"])) for pair in told.get("env") or ()),
        api_version=str(told.get("apiVersion", "")),
        cluster=_told(cluster) if told.get("provideClusterInfo") else None,
        hint=str(told.get("installHint") or ""),
    )


def _told(cluster: dict[str, Any]) -> dict[str, Any]:
    """The cluster as a plugin is told of it, with the extension that is meant for plugins."""
    told = {key: value for key, value in cluster.items() if key != "extensions"}
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            told["config"] = extension.get("extension")
    return told
