"""Image builds that only pretend: same rules, no files. For scenarios and as the smallest example."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from service.ports.builds import Image, Recipe
from service.ports.connections import Source
from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printed
from service.settings import Settings


class MemoryBuilder:
    """Builds finish when they are looked at `looks` times; the next ones can be told to fail."""

    capabilities = frozenset({"lock"})

    def __init__(self, looks: int = 1, clock: Callable[[], float] = time.time) -> None:
        self._looks = looks
        self._clock = clock
        self._left: dict[str, int] = {}
        self._recipes: dict[str, Recipe] = {}
        self._ended: dict[str, Image | Failed] = {}
        self._ended_at: dict[str, float] = {}
        self._seen: set[tuple[str, object]] = set()
        self.failing: dict[str, str] = {}  # build name: why it is going to fail

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:  # noqa: ARG003
        """A builder with nothing built yet."""
        return cls()

    def start(self, recipe: Recipe) -> None:
        """Begin, unless a build of this name runs or has finished well; a failed one starts anew."""
        if recipe.name in self._left or isinstance(self._ended.get(recipe.name), Image):
            return
        self._ended.pop(recipe.name, None)
        self._recipes[recipe.name] = recipe
        self._left[recipe.name] = self._looks

    def state(self, name: str) -> Working | Image | Failed | Gone:
        """How far it is; looking at it is what moves it on."""
        if name not in self._left:
            return self._ended.get(name, Gone())
        if self._left[name] > 0:
            self._left[name] -= 1
            return Working("building")
        del self._left[name]
        self._ended[name], self._ended_at[name] = self._finish(self._recipes[name]), self._clock()
        return self._ended[name]

    def read_on(self, name: str, mark: str) -> Printed:
        """Its line, once."""
        whole = self.logs(name)
        return Printed(whole[int(mark or 0) :], str(len(whole)))

    def cancel(self, name: str) -> None:
        """End the build; one that has ended is left as it is."""
        if self._left.pop(name, None) is not None:
            self._ended[name] = Failed("the build was cancelled")

    def logs(self, name: str) -> str:
        """A line for each build that there was."""
        return f"building {name}\n" if name in self._recipes else ""

    def tidy(self, keep: frozenset[str], seconds: float) -> None:
        """Forget images that are older and not to be kept."""
        before = self._clock() - seconds
        self._ended = {
            name: ended
            for name, ended in self._ended.items()
            if not isinstance(ended, Image) or ended.digest in keep or self._ended_at[name] > before
        }

    def _finish(self, recipe: Recipe) -> Image | Failed:
        if recipe.name in self.failing:
            return Failed(self.failing.pop(recipe.name), self.logs(recipe.name))
        if recipe.lock and not recipe.code and not recipe.model:
            return Failed(f"there is no lock file {recipe.lock!r}", self.logs(recipe.name))
        content = repr(replace(recipe, name=""))  # the build's name is no part of what is built
        model = None if recipe.files == "elsewhere" else recipe.model
        parts = (("env", recipe.lock), ("model", model), ("code", recipe.code))
        layers = [("base", "cached")]
        for kind, part in parts:
            if part is not None or kind == "env":
                layers.append((kind, "cached" if (kind, part) in self._seen else "built"))
                self._seen.add((kind, part))
        weights = _digest(repr(recipe.model)) if recipe.files == "image" else None
        return Image(_digest(content), tuple(layers), weights)


def _digest(content: str) -> str:
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
