"""How one request reaches a cluster's API server and its answer comes back; the one module that imports
the Kubernetes client library.

Every call has a time limit; no redirect is followed, no proxy is taken from the environment. A failure that
comes at once is met with a second and a third try, where asking twice asks for nothing else; all other
repeating is the caller's. Who answers neither in time nor to a short question after it is not asked for some
seconds. What goes wrong is `Retry` or `Refused`, or one of their kinds in `answers`.
"""

import copy
import json
import random
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse

from service.adapters.kubernetes import answers, kubeconfig
from service.adapters.kubernetes.answers import Asked
from service.adapters.kubernetes.credentials import PLUGIN_SECONDS, Credential, Credentials
from service.adapters.kubernetes.silence import READY, Silence
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
PROBE_SECONDS = 1.5  # for the answer whether it is ready; it looks at its store for two where that is away
ANSWER_SECONDS = 60.0  # for a whole answer, however slowly it comes
_LARGEST = 64 << 20  # bytes of one answer
_LOGIN = ["BearerToken"]  # the library's name for the login of a configuration
_PIECE = 1 << 18
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
# What reads, and what names the object that it makes or ends: done twice it is what it was. A PUT or PATCH
# rests on what was read before, so whoever read it has to look again.
_REPEATED = frozenset({"GET", "POST", "DELETE"})
_PASSING = frozenset({429, 500, 502, 503, 504})
_AGAIN_SECONDS = 1.5  # after a call began no more tries begin
_PAUSES = (0.1, 0.3)  # seconds before the second and third try; a 429 may ask for more
_BREAKS = (urllib3.exceptions.HTTPError, ApiException, OSError)

Query = Sequence[tuple[str, str]]
Object = dict[str, Any]
Objects = list[Object]
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `longer`: by how many seconds the answer may be silent longer than others may; `within`:
    for how many it may be instead.

    `once`: a Service is to answer, and its failure is what is asked for, so it is not tried again here.
    `headers`: more of them, for that Service.
    """

    asked: Asked
    method: str
    path: str
    query: Query = ()
    body: Object | Objects | bytes | None = None
    form: str = "application/json"
    longer: float = 0.0
    within: float | None = None
    login: bool = True
    once: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class Transport:
    """One API server, asked in the name of one login. Threads may share it."""

    def __init__(
        self,
        name: str,
        configuration: Configuration,
        credentials: Credentials | None,
        reading: float = READ_SECONDS,
    ) -> None:
        """`reading`: the longest silence in seconds within an answer."""
        self.name = name
        self._reading = reading
        self._configuration = configuration
        self._credentials = credentials
        self._lock = threading.Lock()
        self._client = ApiClient(configuration)
        self._certified: tuple[Credential, ApiClient] | None = None
        self._silence = Silence.of(configuration.host, configuration.proxy)
        self._probing = min(PROBE_SECONDS, reading)
        self._failures = 0  # calls in a row that the server could not answer

    @classmethod
    def of(cls, cluster: Cluster, reading: float = READ_SECONDS, plugging: float = PLUGIN_SECONDS) -> Self:
        """The way to a connected cluster; `plugging`: seconds for its credential plugin.

        Raises `Refused` for a connection that cannot be used.
        """
        configuration = Configuration()
        credentials, proxy = None, None
        try:
            if cluster.kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)
            else:
                access = kubeconfig.read(Path(cluster.kubeconfig).expanduser(), cluster.context)
                credentials, proxy = Credentials.of(access, plugging), access.proxy
                config.load_kube_config_from_dict(
                    access.config, client_configuration=configuration, persist_config=False
                )
        except (config.ConfigException, ValueError, TypeError) as error:
            raise Refused(f"the cluster {cluster.name} cannot be reached: {error}") from error
        configuration.retries = False
        configuration.proxy, configuration.no_proxy = proxy, ""
        return cls(cluster.name, configuration, credentials, reading)

    def json(self, call: Call) -> Object:
        """The object that it answers with; all else is raised."""
        status, headers, content = self.answer(call)
        if not 200 <= status < 300:
            raise self.error(call.asked, status, headers, content)
        found = as_object(content)
        if found is None:
            raise Retry(f"the cluster {self.name} answered something else than JSON", self.wait())
        return found

    def answer(self, call: Call) -> Answer:
        """Status, headers and content, whatever the status; a refusal is what a server said that was ready.

        One that has just started refuses what it will allow, and may be ready a moment later: what it says
        counts if it says so again once it is. A login from a plugin or a file is renewed in between.
        """
        found = self._answered(call)
        if (refusal := answers.refusal(call.asked, found[0], found[2], through=call.once)) is None:
            return found
        self.ready_after(refusal, login=found[0] != 401)
        return self._answered(call)

    def ready_after(self, refusal: str, *, login: bool = True) -> None:
        """Return where the server that refused something, in these words, is ready to be asked again.

        `login`: whether it accepts ours; some tell nobody else whether they are ready. Raises `Retry`.
        """
        if self._readiness(login=login) not in READY:
            raise Retry(f"{refusal} (it has just started; it may say otherwise soon)", self.wait())

    def _answered(self, call: Call) -> Answer:
        """The same, and whatever it refuses."""
        self._silence.heed(self.name, self._readiness, self._probing)
        until = time.monotonic() + _AGAIN_SECONDS
        found = self._tried(call)
        for pause in _PAUSES if call.method in _REPEATED and not call.once else ():
            wait = _before_again(found, pause)
            if wait is None or time.monotonic() + wait > until:
                break
            time.sleep(wait)
            found = self._tried(call)
        if isinstance(found, Exception):
            if isinstance(found, urllib3.exceptions.TimeoutError):
                self._silence.listen(self._readiness, self._probing)
            raise self._broken(call.asked, found) from found
        self._silence.end()
        if found[0] < 500 and found[0] != 429:
            self._failures = 0
        return found

    def lines(self, call: Call) -> Iterator[bytes]:
        """The lines of an answer, while it comes."""
        rest = b""
        self._silence.heed(self.name, self._readiness, self._probing)
        try:
            answer, _ = self._open(call)
            with closing(answer.response):
                if answer.status != 200:
                    content = self._content(call.asked, answer)
                    if (refusal := answers.refusal(call.asked, answer.status, content)) is not None:
                        raise Retry(refusal, self.wait())  # the list before it was allowed just now
                    raise self.error(call.asked, answer.status, answer.headers, content)
                for piece in answer.response.stream(_PIECE):
                    *lines, rest = (rest + piece).split(b"\n")
                    yield from (line for line in lines if line)
        except _BREAKS as error:
            raise self._broken(call.asked, error) from error

    def error(self, asked: Asked, status: int, headers: Mapping[str, str], content: bytes) -> Refused | Retry:
        """What the answer means."""
        wanted = answers.waiting(headers, content)
        busy = status == 429 or status >= 500
        return answers.error(asked, status, content, (wanted or 0.0) + (self.wait() if busy else 0.0))

    def wait(self) -> float:
        """Seconds until a next try: full jitter, longer with each failure in a row."""
        self._failures += 1
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures, 10))
        return random.uniform(0.1, longest)  # noqa: S311 (spreads tries, hides nothing)

    def _tried(self, call: Call) -> Answer | Exception:
        """What one try brings: an answer, or why none came."""
        try:
            answer, credential = self._open(call)
            with closing(answer.response):
                content = self._content(call.asked, answer)
        except _BREAKS as error:
            return error
        if answer.status == 401 and self._credentials is not None and credential is not None:
            self._credentials.refused(credential)
        return answer.status, answer.headers, content

    def _open(self, call: Call) -> tuple[RESTResponse, Credential | None]:
        credential = self._credentials.current() if self._credentials and call.login else None
        client = self._client_of(credential)
        headers = {"Accept": "application/json", "Content-Type": call.form, **dict(call.headers)}
        if credential is not None and credential.token:
            headers["Authorization"] = f"Bearer {credential.token}"
        try:
            sent = client.param_serialize(
                call.method,
                call.path,
                query_params=list(call.query),
                header_params=headers,
                body=call.body,
                auth_settings=_LOGIN if call.login else [],
            )
            reading = self._reading + call.longer if call.within is None else call.within
            limits = (min(CONNECT_SECONDS, reading), reading)
            answer = client.call_api(*sent, _request_timeout=limits)
        except config.ConfigException as error:  # the pod's own token
            raise Retry(f"the cluster {self.name}: {error}", self.wait()) from error
        return answer, credential

    def _content(self, asked: Asked, answer: RESTResponse) -> bytes:
        until = time.monotonic() + ANSWER_SECONDS
        content = bytearray()
        for piece in answer.response.stream(_PIECE):
            content += piece
            if len(content) > _LARGEST or time.monotonic() > until:
                raise Retry(f"the cluster {self.name} answers without an end: {asked.words}", self.wait())
        return bytes(content)

    def _broken(self, asked: Asked, error: Exception) -> Retry:
        why = type(error).__name__
        if isinstance(error, ApiException):  # the library's own form of a TLS failure
            why = str(error.reason).replace("\n", ": ")[:300]
        return Retry(f"the cluster {self.name} does not answer to {asked.words}: {why}", self.wait())

    def _readiness(self, *, login: bool = False) -> int | None:
        """The status of its answer whether it is ready; None where that does not come soon."""
        asked = Asked(self.name, "get", None)
        try:
            answer, _ = self._open(Call(asked, "GET", "/readyz", login=login, within=self._probing))
            answer.response.close()
            return int(answer.status)
        except (*_BREAKS, Retry):
            return None

    def _client_of(self, credential: Credential | None) -> ApiClient:
        """The client, or for a certificate that a plugin gave one of its own, while it is in use."""
        if credential is None or not credential.certificate:
            return self._client
        with self._lock:
            if self._certified is None or self._certified[0] is not credential:
                folder = Path(tempfile.mkdtemp(prefix="segue-"))  # TLS takes a key only from a file
                certificate, key = folder / "certificate", folder / "key"
                certificate.write_text(credential.certificate)
                key.write_text(credential.key or "")
                changed = copy.deepcopy(self._configuration)
                changed.cert_file, changed.key_file = str(certificate), str(key)
                self._certified = (credential, ApiClient(changed))
                weakref.finalize(self._certified[1], shutil.rmtree, folder, ignore_errors=True)
            return self._certified[1]


def _before_again(found: Answer | Exception, pause: float) -> float | None:
    """Seconds until a call that failed is tried again; None where it did not, or not in passing.

    A server that hangs, or that is not there, is asked once: whoever waits for it would wait for longer.
    """
    asked = 0.0
    if isinstance(found, urllib3.exceptions.TimeoutError):
        return None
    if not isinstance(found, Exception):
        status, headers, content = found
        if status not in _PASSING:
            return None
        asked = answers.waiting(headers, content) or 0.0
    return asked + random.uniform(0.5, 1.0) * pause  # noqa: S311 (spreads tries, hides nothing)


def as_object(content: bytes) -> Object | None:
    """The JSON object; None where it is something else."""
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
