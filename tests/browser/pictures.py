"""Takes the pictures of the documentation from a page that runs: `make pictures`.

The whole service on memory adapters lives some minutes, with requests that are made up; what is seen is the page.
"""

import io
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.browser.chromium import Browser
from tests.browser.site import Site

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "pictures"
WIDE, PHONE = (1180, 700), (390, 844)
COLOURS = 256  # of one picture: a third of the bytes, and nothing that is seen
LATELY = 150  # seconds ago it began
REASON = "the night's batch runs until eight"


@dataclass(frozen=True)
class Picture:
    """A page, what is done there first, and the selectors of where the picture begins and ends."""

    path: str
    ready: Callable[[Browser], None] = lambda browser: None
    first: str | None = None
    last: str | None = None
    size: tuple[int, int] = WIDE


def approving(browser):
    browser.open_form("approve")
    browser.until("You approve exactly the plan")


def aborting(browser):
    browser.open_form("abort")
    browser.one("#do-abort input[name=reason]").send_keys("it looks slow to me")


def making(browser):
    browser.one("#make summary").click()


def drawn(browser):
    browser.until("Is the new version worse?")


def simulated(browser):
    browser.until("What becomes of a rollout")


GUARDS = "section[aria-labelledby=guards-title]"
PICTURES = {
    "page-targets": Picture("/-/", last="main"),
    "page-live": Picture("/-/releases/rel-5", drawn, last=GUARDS),
    "page-phone": Picture("/-/releases/rel-5", drawn, last=".actions", size=PHONE),
    "page-approval": Picture("/-/releases/rel-4", approving, last=".actions"),
    "page-rolled-back": Picture("/-/releases/rel-3", drawn),
    "page-lineage": Picture("/-/releases/rel-2", drawn, "#version-title", ".columns"),
    "page-form": Picture("/-/releases/rel-5", aborting, last="#do-abort"),
    "page-simulator": Picture("/-/simulator?try=1&rate=50&errors=1&worse=3", simulated),
    "page-tokens": Picture("/-/tokens", making, last="#make"),
}


def take(site: Site, folder: Path) -> None:
    """All of them, each size by a browser of its own."""
    for size in (WIDE, PHONE):
        with closing(Browser(site, folder / str(size[0]), width=size[0], height=size[1])) as browser:
            browser.log_in()
            for name, one in PICTURES.items():
                if one.size == size:
                    browser.go(one.path)
                    one.ready(browser)
                    keep(name, browser.picture(one.first, one.last))


def keep(name: str, content: bytes) -> None:
    """As a small file."""
    few = (
        Image.open(io.BytesIO(content))
        .convert("RGB")
        .quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    few.save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made, closing(Site(Path(made) / "site")) as lively:
        lively.world.clock.now = time.time() - LATELY
        take(lively.busy(REASON), Path(made))
