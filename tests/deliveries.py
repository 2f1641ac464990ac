"""Deliveries as senders send them: headers, exact bytes, and the hook's secret. See fixtures/README.md."""

import json
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Recorded:
    """One of them."""

    name: str
    headers: dict[str, str]
    body: bytes
    secret: bytes

    @property
    def sent(self) -> float:
        """When its sender says that it was, where it says so."""
        names = ("X-MLflow-Timestamp", "X-Slack-Request-Timestamp", "webhook-timestamp")
        return float(next((self.headers[name] for name in names if name in self.headers), "0"))


def recorded(kind: str) -> tuple[Recorded, ...]:
    """All deliveries of a kind of sender, by name."""
    return tuple(_recorded(path) for path in sorted((FIXTURES / kind).glob("*.json")))


def _recorded(path: Path) -> Recorded:
    told = json.loads(path.read_text())
    return Recorded(path.stem, dict(told["headers"]), told["body"].encode(), told["secret"].encode())
