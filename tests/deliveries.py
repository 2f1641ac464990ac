"""Deliveries that real senders sent, as they were received: headers, exact bytes, and the hook's secret."""

import json
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Recorded:
    """One of them; `sent` is when its sender says that it was, where it says so."""

    name: str
    headers: dict[str, str]
    body: bytes
    secret: bytes

    @property
    def sent(self) -> float:
        return float(self.headers.get("X-MLflow-Timestamp", "0"))


def recorded(kind: str) -> tuple[Recorded, ...]:
    """All deliveries of a kind of sender, by name."""
    return tuple(_recorded(path) for path in sorted((FIXTURES / kind).glob("*.json")))


def _recorded(path: Path) -> Recorded:
    told = json.loads(path.read_text())
    return Recorded(path.stem, dict(told["headers"]), told["body"].encode(), told["secret"].encode())
