"""Credentials that change: tokens or certificates from a plugin of a kubeconfig, tokens from a file.

Contract of plugins (EKS: `aws eks get-token`, GKE: `gke-gcloud-auth-plugin`, AKS: `kubelogin`):
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
A plugin gets no terminal, a time limit, and our environment. What it prints is never shown: only its
last line of complaint is. One that hangs holds up its own cluster alone: it is run once for all who ask by
it, and whoever asks for some time after it was given up is told so at once.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from service.adapters.kubernetes.kubeconfig import Access, Plugin
from service.adapters.kubernetes.silence import ALONE
from service.ports.outcomes import PortError, Refused, Retry

PLUGIN_SECONDS = 15.0  # the clouds' own take one to five
_FILE_SECONDS = 60.0  # a projected token is renewed on disk long before it ends
_EARLY = 60.0  # seconds before its end at which a credential is not used any more
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, or a client certificate with its key (PEM); `until` in seconds since 1970."""

    token: str | None = None
    certificate: str | None = None
    key: str | None = None
    until: float = float("inf")

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Credential(until={self.until})"


class Credentials:
    """The credential in use, asked for anew before it ends or once the server refused it.

    Threads share it. `clock` counts seconds from anywhere.
    """

    def __init__(self, fetch: Callable[[], Credential], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._held: Credential | None = None
        self._failed: tuple[Retry, float] | None = None  # why the last fetch did, and until when that holds
        self._lock = threading.Lock()

    @classmethod
    def of(cls, access: Access, seconds: float = PLUGIN_SECONDS) -> "Credentials | None":
        """Those of a kubeconfig's user; None where nothing about them changes. `seconds`: for a plugin."""
        plugin, token_file = access.plugin, access.token_file
        if plugin is not None:
            return _shared(plugin, seconds)
        if token_file is not None:
            return cls(lambda: from_file(token_file))
        return None

    def current(self) -> Credential:
        """The credential to use now. Raises `Retry` or `Refused` where none is to be had."""
        with self._lock:
            if self._held is None or _ends_within(_EARLY, self._held):
                self._held = self._renewed(self._held)
            return self._held

    def refused(self, credential: Credential) -> None:
        """The server did not accept it: ask for another one next time."""
        with self._lock:
            if self._held is credential:
                self._held = None

    def _renewed(self, old: Credential | None) -> Credential:
        """A new one; the old one to its very end where no new one is to be had."""
        try:
            return self._fetched()
        except PortError:
            if old is None or _ends_within(0.0, old):
                raise
            return old

    def _fetched(self) -> Credential:
        if self._failed is not None and (left := self._failed[1] - self._clock()) > 0:
            raise Retry(str(self._failed[0]), left)
        try:
            return self._fetch()
        except Retry as reason:
            self._failed = reason, self._clock() + reason.after
            raise


_KNOWN: "WeakValueDictionary[str, Credentials]" = WeakValueDictionary()
_LOCK = threading.Lock()


def _shared(plugin: Plugin, seconds: float) -> Credentials:
    """Those that the plugin gives, however many connections use it."""
    told = f"{plugin} {seconds}"
    with _LOCK:
        known = _KNOWN.get(told)
        if known is None:
            known = _KNOWN[told] = Credentials(lambda: ask(plugin, seconds))
        return known


def _ends_within(seconds: float, credential: Credential) -> bool:
    return credential.until - time.time() < seconds


def from_file(path: Path) -> Credential:
    """The token in a file, to be read again soon."""
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise Retry(f"the token file {path} cannot be read: {error.strerror}", after=5) from error
    if not token:
        raise Retry(f"the token file {path} is empty", after=5)
    return Credential(token, until=time.time() + _FILE_SECONDS + _EARLY)


def ask(plugin: Plugin, seconds: float = PLUGIN_SECONDS) -> Credential:
    """Run the plugin. Raises `Refused` where it cannot work, `Retry` where it may another time."""
    if plugin.api_version not in _VERSIONS:
        raise Refused(
            f"the credential plugin {plugin.command} speaks {plugin.api_version or 'no version'};"
            f" known: {', '.join(_VERSIONS)}; update the kubeconfig"
        )
    return _credential(plugin, _printed(plugin, seconds))


def _printed(plugin: Plugin, seconds: float) -> bytes:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    # The clouds' plugins find their own login in the environment: HOME, AWS_PROFILE and the like.
    env = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        process = subprocess.Popen(
            [plugin.command, *plugin.arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        hint = f"; {plugin.hint.strip()}" if plugin.hint else ""
        raise Refused(
            f"the credential plugin {plugin.command} cannot be started: {error.strerror}{hint}"
        ) from error
    with process:
        return _output(plugin, process, seconds)


def _output(plugin: Plugin, process: subprocess.Popen[bytes], seconds: float) -> bytes:
    try:
        printed, complained = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise Retry(_hung(plugin, seconds), ALONE * seconds) from None
    if process.returncode == 0:
        return printed
    lines = complained.decode("utf-8", "replace").strip().splitlines() or ["it does not say why"]
    raise Retry(
        f"the credential plugin {plugin.command} ended with {process.returncode}: {lines[-1][:200]}", 10
    )


def _hung(plugin: Plugin, seconds: float) -> str:
    return (
        f"the credential plugin {plugin.command} did not end within {seconds:g} s and was killed;"
        f" it is run again after {ALONE * seconds:g} s. Run it where Segue runs, as it"
        " stands in the kubeconfig, with </dev/null: it may ask for a login, or not reach who gives one"
    )


def _credential(plugin: Plugin, printed: bytes) -> Credential:
    try:
        told = json.loads(printed)
        status = told["status"]
        ends = status.get("expirationTimestamp")
        until = datetime.fromisoformat(ends).timestamp() if ends else float("inf")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused(f"the credential plugin {plugin.command} printed no ExecCredential") from None
    if told.get("apiVersion") != plugin.api_version:
        raise Refused(
            f"the credential plugin {plugin.command} answered in {told.get('apiVersion')!r};"
            f" the kubeconfig asks for {plugin.api_version}"
        )
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if not status.get("token") and not (certificate and key):
        raise Refused(f"the credential plugin {plugin.command} gave neither a token nor a certificate")
    return Credential(status.get("token"), certificate, key, until)
