"""A device plugin with devices that are none: a real kubelet counts them and gives them out.

Speaks v1beta1 of https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/.
Its messages hold texts and other messages only, so the few that are needed are written by hand.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import grpc

Fields = list[tuple[int, bytes]]
_SERVICE = "v1beta1.DevicePlugin"
_SECONDS = 10


class Plugin:
    """Offers devices of one resource until the `with` block is left; containers get `env` = the devices' names.

    `folder` is where the node's kubelet listens for plugins, as this machine sees it.
    """

    def __init__(self, folder: Path, resource: str, env: str, names: Iterable[str]) -> None:
        self._scratch = TemporaryDirectory()
        # The way to a socket has at most 107 bytes, and the folder may be longer: it gets a short name.
        short = Path(self._scratch.name) / "plugins"
        short.symlink_to(folder)
        self._socket = short / f"{resource.replace('/', '-')}.sock"
        self._resource, self._env, self._names = resource, env, tuple(names)
        self._ended = threading.Event()
        self.given: list[tuple[str, ...]] = []  # what the kubelet took for each container

    def __enter__(self) -> Self:
        self._socket.unlink(missing_ok=True)
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._server.add_insecure_port(f"unix:{self._socket}")
        self._server.start()
        self._register()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.stop(grace=1).wait()
        self._socket.unlink(missing_ok=True)
        self._scratch.cleanup()

    def _register(self) -> None:
        told = encoded((1, b"v1beta1"), (2, self._socket.name.encode()), (3, self._resource.encode()))
        with grpc.insecure_channel(f"unix:{self._socket.with_name('kubelet.sock')}") as kubelet:
            kubelet.unary_unary("/v1beta1.Registration/Register")(told, timeout=_SECONDS, wait_for_ready=True)

    def _handlers(self) -> Any:
        return grpc.method_handlers_generic_handler(
            _SERVICE,
            {
                "GetDevicePluginOptions": grpc.unary_unary_rpc_method_handler(lambda *_: b""),
                "ListAndWatch": grpc.unary_stream_rpc_method_handler(self._list),
                "Allocate": grpc.unary_unary_rpc_method_handler(self._allocate),
            },
        )

    def _list(self, _request: bytes, _context: object) -> Iterator[bytes]:
        """All devices, once: they stay well as long as the stream is open."""
        yield encoded(*((1, encoded((1, name.encode()), (2, b"Healthy"))) for name in self._names))
        self._ended.wait()

    def _allocate(self, request: bytes, _context: object) -> bytes:
        """For each container, the variable that names its devices."""
        answers = []
        for _, container in decoded(request):
            names = tuple(name.decode() for _, name in decoded(container))
            self.given.append(names)
            answers.append(encoded((1, encoded((1, self._env.encode()), (2, ",".join(names).encode())))))
        return encoded(*((1, answer) for answer in answers))


def encoded(*fields: tuple[int, bytes]) -> bytes:
    """A message of fields that have a length: https://protobuf.dev/programming-guides/encoding/."""
    return b"".join(bytes([number << 3 | 2]) + _size(len(value)) + value for number, value in fields)


def decoded(message: bytes) -> Fields:
    """The fields of such a message, in their order."""
    fields, at = [], 0
    while at < len(message):
        tag, at = message[at], at + 1
        assert tag & 7 == 2, f"a field of type {tag & 7} has no length"
        size, shift = 0, 0
        while True:
            byte, at = message[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        fields.append((tag >> 3, message[at : at + size]))
        at += size
    return fields


def _size(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])
