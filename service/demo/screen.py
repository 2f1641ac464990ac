"""What a demo shows while it plays: live where somebody watches, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from service.demo.traffic import Second
from service.showing import terminal

LINES = 3  # of what was said last


@dataclass(slots=True)
class Screen:
    """The terminal. `lately` tells what users meet now, by target."""

    console: Console
    acts: int
    lately: Callable[[], Iterable[tuple[str, Second]]] = tuple
    _began: float = field(default_factory=time.monotonic)
    _live: Live | None = None
    _title: str = "setting up"
    _ended: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)
    _targets: Sequence[Mapping[str, Any]] = field(default_factory=list)
    _release: Mapping[str, Any] | None = None
    _line: str = ""

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, get_renderable=self._picture)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def act(self, number: int, title: str) -> None:
        """A new act begins."""
        self._title, self._release = f"act {number} of {self.acts}: {title}", None
        self._say_plainly("")
        self._say_plainly(self._title)

    def ended(self, number: int, title: str, how: str, *, ok: bool) -> None:
        """An act is over."""
        self._ended.append(f"{'✓' if ok else '✗'} {number} {title}: {how}")

    def say(self, text: str) -> None:
        """One line about what is done now."""
        self._said.append(f"{self._elapsed()}  {text}")
        self._say_plainly(self._said[-1])

    def release(self, found: Mapping[str, Any], targets: Sequence[Mapping[str, Any]]) -> None:
        """A release and all targets as they stand."""
        self._release, self._targets = found, targets
        line = found["release"]["title"]
        if line != self._line:
            self._line = line
            self._say_plainly(f"{self._elapsed()}  {line}")

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:6.1f} s"

    def _say_plainly(self, line: str) -> None:
        if self._live is None:
            self.console.print(line)

    def _picture(self) -> RenderableType:
        parts: list[RenderableType] = [Text(line, style="green") for line in self._ended]
        parts.append(Text(f"{self._elapsed()}  {self._title}", style="bold"))
        parts += [Text(line, style="dim") for line in self._said[-LINES:]]
        parts.append(Text(""))
        parts += [users(target, second) for target, second in self.lately()]
        if self._targets:
            parts += [Text(""), terminal.targets(self._targets)]
        if self._release is not None:
            parts += [Text(""), *rollout(self._release["release"])]
        return Group(*parts)


def users(target: str, second: Second) -> RenderableType:
    """What users of a target meet now."""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in second.shares)
    line = Text(f"users    {target}: {second.rate:.0f} requests/s  {shares}")
    if second.failed:
        line.append(f"  {second.failed} failed", style="red")
    return line


def rollout(one: Mapping[str, Any]) -> list[RenderableType]:
    """The release in short: its line, its weight, its evidence."""
    parts: list[RenderableType] = [
        Text.assemble((one["name"], "bold"), "  ", terminal.coloured(one["phase"]), f"  {one['cause']}")
    ]
    if one["phase"] in {"shifting", "watching", "restoring"}:
        parts.append(Text("weight   ") + terminal.bar(one["observed"]))
    if one["reason"]:
        parts.append(Text(f"reason   {one['reason']}"))
    if one["evidence"]:
        parts.append(terminal.evidence(one["evidence"]))
    return parts
