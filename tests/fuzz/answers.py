"""What servers answer to questions of ours: adapters raise `Retry` or `Refused` on anything strange, and no more."""

import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter

from policies.trust import Signature
from service import plugins
from service.adapters import exposition
from service.adapters.exposition import Names, Strange
from service.adapters.hosts import address
from service.adapters.oci import remote
from service.adapters.process import results
from service.adapters.tally import Tally
from service.arrivals.connecting import name_of
from service.ports.connections import Source
from service.ports.git import CommitState, CommitStatus
from service.ports.jobs import Result
from service.ports.outcomes import PortError, Refused
from service.rehearsing import intervals_csv
from service.settings import Settings
from tests.fuzz.mutating import mutated

Ask = Callable[[Any], Any]


class Canned(BaseAdapter):
    """Answers each request of a session with bytes that were made for its path."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Callable[[str], tuple[int, bytes]] = lambda _path: (404, b"")

    def send(self, request: Any, *_more: Any, **_given: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, content = self.made(request.path_url)
        answer.raw, answer.request, answer.url = _Body(content), request, request.url
        return answer

    def close(self) -> None:
        """Nothing is open."""


class _Body:
    """A body as urllib3 gives it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, _size: int, decode_content: bool | None = None) -> Any:
        del decode_content
        yield self._content

    def release_conn(self) -> None:
        """There is no connection."""

    close = release_conn


def canned(session: requests.Session) -> Canned:
    """The session's answers from now on."""
    made = Canned()
    session.mount("http://", made)
    session.mount("https://", made)
    return made


@cache
def _settings() -> Settings:
    home = Path(tempfile.mkdtemp(prefix="segue-fuzz-"))
    (home / "secrets").mkdir()
    (home / "secrets" / "login-code").write_bytes(b"user:password")
    return Settings(home=home)


# --- Git hosts -------------------------------------------------------------------------------

COMMIT = "a" * 40
ASKED: Mapping[str, Ask] = {
    "default branch": lambda host: host.default_branch(),
    "may": lambda host: host.may("bob"),
    "author": lambda host: host.author(COMMIT),
    "report": lambda host: host.report(
        CommitStatus(COMMIT, "segue/wine", CommitState.PENDING, "title", "text")
    ),
    "comment": lambda host: host.comment("pull/7", "key", "text"),
    "webhook": lambda host: host.has_webhook("https://segue.example/hooks/code"),
}
ONE = {
    "default_branch": "main", "mainbranch": {"name": "main"}, "displayId": "main", "id": "refs/heads/main",
    "permission": "write", "author": {"login": "bob", "user": {"nickname": "bob", "account_id": "1"}}, "number": 7,
    "user": {"login": "bob", "permissions": {"push": True}}, "access_level": 30, "username": "bob", "name": "bob",
    "state": "open", "merged_at": None, "head": {"sha": COMMIT}, "iid": 7, "body": "text", "text": "text", "sha": COMMIT,
    "content": {"raw": "text"}, "config": {"url": "https://segue.example/hooks/code"}, "active": True, "version": 1,
    "url": "https://segue.example/hooks/code", "events": ["push"], "system": False, "links": {"self": [{"href": "x"}]},
    "author_email": "bob@example.org", "slug": "bob", "comment": {"id": 3, "text": "text", "version": 1},
}  # fmt: skip
LIST = [ONE, {**ONE, "id": 3}]
PAGE = {**ONE, "values": LIST, "data": LIST, "isLastPage": True}
HOSTS = {
    "gitea": "https://git.example/acme/wine",
    "github": "https://github.example/acme/wine",
    "gitlab": "https://gitlab.example/acme/wine",
    "bitbucket": "https://bitbucket.org/acme/wine",
}


class _Fetched:
    """A mirror that holds the commit."""

    def has(self, _commit: str) -> bool:
        return True

    def author(self, _commit: str) -> str:
        return "ann"

    def alone(self, _why: str) -> Any:
        return nullcontext()


@cache
def _host(kind: str) -> tuple[Any, Canned]:
    host = plugins.load("git_hosts", kind).open(_settings(), Source("code", kind, HOSTS[kind]))
    host._mirror = _Fetched()
    return host, canned(host._rest._session)


def host_of(kind: str) -> Callable[[random.Random], str]:
    """Asks a host's adapter one thing, and answers it strangely."""

    def once(chance: random.Random) -> str:
        host, server = _host(kind)
        seed = json.dumps(chance.choice((PAGE, LIST, ONE))).encode()
        server.made = lambda _path: (chance.choice((200, 200, 200, 404)), mutated(chance, seed))
        return _outcome(lambda: chance.choice(list(ASKED.values()))(host))

    return once


def _outcome(ask: Callable[[], Any]) -> str:
    try:
        found = ask()
    except PortError:
        return "refused"
    return "nothing" if found in ((), [], {}, False) else "answers"


# --- MLflow ----------------------------------------------------------------------------------

VERSION = {
    "name": "wine", "version": "3", "run_id": "r", "user_id": "ann", "status": "READY",
    "source": "mlflow-artifacts:/1/r/artifacts/model", "tags": [{"key": "a", "value": "b"}],
}  # fmt: skip
MODELS = {"registered_models": [{"name": "wine", "aliases": [{"alias": "challenger", "version": "3"}]}]}
SEARCHED = json.dumps(MODELS).encode()
GOT = json.dumps({"model_version": VERSION, "artifact_uri": VERSION["source"]}).encode()
FILES = json.dumps(
    {"files": [{"path": "MLmodel", "file_size": 3, "is_dir": False}], "root_uri": "x"}
).encode()


RUNS = json.dumps(
    {
        "runs": [
            {"info": {"run_id": "r", "status": "FINISHED"}, "data": {"metrics": [{"key": "f1", "value": 1}]}}
        ]
    }
).encode()


@cache
def _runs() -> tuple[Any, Canned]:
    adapter = plugins.load("run_metrics", "mlflow")
    runs = adapter.open(_settings(), Source("reg", "mlflow", "http://mlflow.example"))
    return runs, canned(runs._rest._session)


def logged(chance: random.Random) -> str:
    """Asks for the numbers of a run."""
    runs, server = _runs()
    known = b'{"experiment": {"experiment_id": "1"}}'
    of_run = chance.random() < 0.9

    def made(path: str) -> tuple[int, bytes]:
        whole = RUNS if "/runs/" in path else known
        return 200, mutated(chance, whole) if ("/runs/" in path) == of_run else whole

    server.made = made
    return _outcome(lambda: runs.metrics("churn", "churn-1"))


@cache
def _mlflow() -> tuple[Any, Canned]:
    adapter = plugins.load("model_registries", "mlflow")
    registry = adapter.open(_settings(), Source("reg", "mlflow", "http://mlflow.example"))
    return registry, canned(registry._rest._session)


def mlflow(chance: random.Random) -> str:
    """Asks for aliases or a version."""
    registry, server = _mlflow()
    spoilt = chance.choice(("search", "get", "files"))

    def made(path: str) -> tuple[int, bytes]:
        kind = "search" if "/search" in path else "get" if "/get" in path else "files"
        whole = {"search": SEARCHED, "get": GOT, "files": FILES}[kind]
        return 200, mutated(chance, whole) if kind == spoilt else whole

    server.made = made
    asked = (registry.aliases, lambda: registry.version("wine", "3"), lambda: registry.files("wine", "3"))
    return _outcome(chance.choice(asked))


# --- image registries ------------------------------------------------------------------------

PAYLOAD = b'{"critical": {"image": {"docker-manifest-digest": "sha256:1"}, "type": "cosign container image signature"}}'
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
DSSE = {"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": "AAAA"}]}
TAGS = b'{"name": "acme/wine", "tags": ["main-1", "main-2"]}'
IMAGE = {"config": {"digest": ""}, "layers": [], "mediaType": "application/vnd.oci.image.manifest.v1+json"}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _described(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


@cache
def _registry() -> tuple[Any, Any, Canned, Canned]:
    source = Source("images", "registry", "https://registry.example")
    images = plugins.load("image_registries", "registry").open(_settings(), source)
    signatures = plugins.load("image_signatures", "registry").open(_settings(), source)
    made = canned(images._remote._session)
    for door in (signatures._remote, signatures._beside._remote, signatures._beside._writable):
        door._session.mount("https://", made)
    return images, signatures, made, made


class _Shelf:
    """Contents by digest and by tag, of which one is spoilt; what names it names it as it is by then."""

    def __init__(self, chance: random.Random, spoilt: str) -> None:
        self.chance, self.spoilt, self.held = chance, spoilt, dict[str, bytes]()

    def put(self, name: str, content: bytes, *others: str) -> bytes:
        kept = mutated(self.chance, content) if name == self.spoilt else content
        self.held |= dict.fromkeys((_digest(kept), *others), kept)
        return kept

    def answer(self, path: str) -> tuple[int, bytes]:
        found = self.held.get(path.partition("?")[0].rpartition("/")[2])
        return (404, b"{}") if found is None else (200, found)


def registry(chance: random.Random) -> str:
    """Asks for tags and times, and for an image's signatures in both forms."""
    images, signatures, server, _ = _registry()
    names = ("tags", "config", "image", "payload", "signed", "bundle", "bundled", "referrers")
    shelf = _Shelf(chance, chance.choice(names))
    shelf.put("tags", TAGS, "list")
    config = shelf.put("config", b'{"created": "2026-01-31T14:03:00Z", "architecture": "amd64"}')
    made = json.dumps({**IMAGE, "config": _described("application/vnd.oci.image.config.v1+json", config)})
    image = _digest(shelf.put("image", made.encode(), "main-1"))
    payload = shelf.put("payload", PAYLOAD)
    layer = _described(SIMPLE, payload) | {"annotations": {"dev.cosignproject.cosign/signature": "AAAA"}}
    signed = json.dumps({**IMAGE, "layers": [layer]}).encode()
    shelf.put("signed", signed, image.replace(":", "-") + ".sig")
    bundle = shelf.put("bundle", json.dumps({"mediaType": BUNDLE, "dsseEnvelope": DSSE}).encode())
    bundled = shelf.put("bundled", json.dumps({**IMAGE, "layers": [_described(BUNDLE, bundle)]}).encode())
    listed = [_described(IMAGE["mediaType"], bundled) | {"artifactType": BUNDLE}]  # type: ignore[arg-type]
    server.made = shelf.answer
    index = shelf.put("referrers", json.dumps({"schemaVersion": 2, "manifests": listed}).encode())
    server.made = lambda path: (200, index) if "/referrers/" in path else shelf.answer(path)
    asked: tuple[Callable[[], Any], ...] = (
        lambda: images.tags("acme/wine"),
        lambda: images.created("acme/wine", image),
        lambda: _of_known_kinds(signatures.found("acme/wine", image)),
    )
    return _outcome(chance.choice(asked))


def _of_known_kinds(found: tuple[Signature, ...]) -> tuple[Signature, ...]:
    if not all(isinstance(one.payload, bytes) and isinstance(one.signature, bytes) for one in found):
        raise AssertionError(f"a signature holds no bytes: {found}")
    return found


# --- texts -----------------------------------------------------------------------------------

METRICS = b"""\
# HELP process_start_time_seconds Start time
process_start_time_seconds 1.7e+09
traefik_service_requests_total{code="200",method="GET",service="wine-1@file"} 120
traefik_service_requests_total{code="500",service="wine-1@file"} 3
traefik_service_request_duration_seconds_bucket{code="200",le="0.1",service="wine-1@file"} 100
traefik_service_request_duration_seconds_bucket{code="200",le="+Inf",service="wine-1@file"} 123
"""
NAMES = Names("traefik_service_requests_total", "traefik_service_request_duration_seconds_bucket")


def prometheus(chance: random.Random) -> str:
    """A text is read whole, or is strange; never a count below zero or beyond all numbers."""
    try:
        _, found = exposition.read(mutated(chance, METRICS).decode("utf-8", "replace"), NAMES)
        tally = Tally()
        for one in found:
            tally.add(one, NAMES)
        counters = tally.counters("wine-1")
    except Strange:
        return "refused"
    if not 0 <= counters.errors <= counters.requests < float("inf"):
        raise AssertionError(f"{counters.errors} of {counters.requests} requests failed")
    return "counters"


RESULT = b'{"accuracy": 0.93, "mape": 12, "rows": 1e6}'


def result(chance: random.Random) -> str:
    """What a job wrote: finite numbers, or a reason."""
    found = results.told(mutated(chance, RESULT))
    if isinstance(found, Result) and not all(abs(number) < float("inf") for _, number in found.metrics):
        raise AssertionError(f"{found} is not finite")
    return "numbers" if isinstance(found, Result) else "refused"


ROWS = b"at,candidate_requests,candidate_errors,stable_requests,stable_errors,weight\n1,5,0,45,1,10\n2,6,1,44,0,10\n9,6,1,44,0,\n"


def intervals(chance: random.Random) -> str:
    """A file of recorded intervals, or where it is none."""
    try:
        intervals_csv.read(mutated(chance, ROWS).decode("utf-8", "replace"))
    except intervals_csv.BadFile:
        return "refused"
    return "intervals"


ADDRESSES = (
    b"https://git.example/acme/wine", b"https://bitbucket.org/acme/wine.git", b"http://[::1]:3000/sub/acme/wine",
    b"https://registry.example:5000", b"http://mlflow.example/base",
)  # fmt: skip


def addresses(chance: random.Random) -> str:
    """What an operator connects: an address that leads to its host alone, or a reason without its login."""
    url = mutated(chance, chance.choice(ADDRESSES)).decode("utf-8", "replace")
    taken = 0
    for parse in (address.parse, remote.address, _mlflow_address):
        try:
            parse(url)
            taken += 1
        except Refused:
            pass
    if taken:
        name_of(url)
    return "addresses" if taken else "refused"


def _mlflow_address(url: str) -> str:
    from service.adapters.mlflow.rest import _address  # noqa: PLC0415

    return _address(url)


BY_NAME: Mapping[str, Callable[[random.Random], str]] = {
    **{f"answers of {kind}": host_of(kind) for kind in HOSTS},
    "answers of mlflow": mlflow,
    "answers of mlflow's runs": logged,
    "answers of registries": registry,
    "Prometheus text": prometheus,
    "results of jobs": result,
    "recorded intervals": intervals,
    "addresses": addresses,
}
