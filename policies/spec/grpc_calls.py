"""How calls of gRPC are counted by whoever serves them, since a router cannot: data only.

A call that fails is answered with the HTTP status 200 and says so in its trailers, which data planes do
not count by. The usual interceptors of servers count it under these names, in the spelling of their language.
Contract: https://github.com/grpc-ecosystem/go-grpc-middleware/tree/main/providers/prometheus
Which codes are the server's fault: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
"""

_HANDLED, _CODE = "grpc_server_handled_total", "grpc_code"
_FAULTS = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")


def _spelled(code: str) -> tuple[str, str]:
    """As Go says it (`DataLoss`), and as Python and Java do."""
    return code.title().replace("_", ""), code


# Without the label nothing is counted at all: it must not pass for a server that never fails.
CALLS = f'{_HANDLED}{{{_CODE}!=""}}'
FAILED_CALLS = f'{_HANDLED}{{{_CODE}=~"{"|".join(said for code in _FAULTS for said in _spelled(code))}"}}'
