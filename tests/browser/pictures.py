"""Takes the pictures of the documentation from a demo that has played and runs on: `make pictures`.

Two more releases begin then: one that shifts traffic and is paused amid that, and one that waits for people.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from service import settings
from service.cli.demonstrating import MLFLOW
from service.client import Client, client_of
from service.demo.acts import WINE, WINE_BODY, WINE_RATE
from service.demo.models import Models
from service.demo.place import Place, segue
from service.demo.repository import Repository
from service.demo.traffic import Traffic, request_of
from tests.browser.chromium import Browser
from tests.running import wait_until

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "pictures"
WIDE, PHONE = (1180, 700), (390, 844)
COLOURS = 256  # of one picture: a third of the bytes, and nothing that is seen
APPROVER = "ann"  # whom the rule of the registered model names
SHARE = 25  # percent of requests at which what is on its way is paused
REASON = "the night's batch runs until eight"


@dataclass(frozen=True)
class Picture:
    """A page, with the name of a release in place of braces, what is done there first, and the selectors of
    where the picture begins and ends."""

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


def judged(browser):
    browser.until("What its guards say")
    drawn(browser)


def simulated(browser):
    browser.until("What becomes of a rollout")


GUARDS = "section[aria-labelledby=guards-title]"
PICTURES = {
    "page-targets": Picture("/-/", last="main"),
    "page-live": Picture("/-/releases/{moving}", judged, last=GUARDS),
    "page-phone": Picture("/-/releases/{moving}", drawn, last=".actions", size=PHONE),
    "page-approval": Picture("/-/releases/{waiting}", approving, last=".actions"),
    "page-rolled-back": Picture("/-/releases/{back}", drawn),
    "page-lineage": Picture("/-/releases/{registered}", drawn, "#version-title", ".columns"),
    "page-form": Picture("/-/releases/{moving}", aborting, last="#do-abort"),
    "page-simulator": Picture("/-/simulator?try=1&rate=50&errors=1&worse=3", simulated),
    "page-tokens": Picture("/-/tokens", making, last="#make"),
}


def take(client: Client, names: dict[str, str], folder: Path) -> None:
    """All of them, each size by a browser of its own."""
    site = SimpleNamespace(address=client.web)
    for size in (WIDE, PHONE):
        with closing(Browser(site, folder / str(size[0]), width=size[0], height=size[1])) as browser:
            browser.go(client.login_link()["link"].removeprefix(client.web))
            browser.until("Log out")
            for name, one in PICTURES.items():
                if one.size == size:
                    browser.go(one.path.format_map(names))
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


# --- what is on them -------------------------------------------------------------------------


@contextmanager
def played(place: Place, client: Client) -> Iterator[dict[str, str]]:
    """The releases that are shown, by what they are: those of the demo, and two that are on their way."""
    ended = client.releases().page().rows
    names = {
        "registered": next(one["name"] for one in ended if one["registered"] and one["phase"] == "promoted"),
        "back": [one["name"] for one in ended if one["phase"] == "rolled back"][-1],
    }
    (mlflow,) = (one["url"] for one in client.sources() if one["kind"] == "mlflow")
    models, repository = Models(MLFLOW.absolute(), place.work, mlflow), Repository(place.bare, place.work)
    models.move_alias("challenger", models.register(better=True))
    names["waiting"] = begun(client, lambda one: one["phase"] == "approval")
    address = next(one["address"] for one in client.targets() if one["name"] == WINE)
    users = Traffic(request_of(WINE, address, "predict", WINE_BODY), WINE_RATE)
    users.start()
    try:
        with (place.work / "wine" / "serve.py").open("a") as code:
            code.write("# The next model needs less memory.\n")
        commit = repository.commit("Say what is to come")
        repository.push()
        names["moving"] = begun(client, lambda one: one["commit"] == commit and one["observed"] >= SHARE)
        client.command("pause", names["moving"], reason=REASON)
        yield names
    finally:
        users.end()


def begun(client: Client, fits: Callable[[dict], bool]) -> str:
    """The name of the release that fits, once there is one."""
    wait_until(lambda: any(map(fits, client.releases().page().rows)), 120)
    return next(one["name"] for one in client.releases().page().rows if fits(one))


if __name__ == "__main__":
    demo = Place(Path(sys.argv[1]).absolute())
    ann = segue(demo, "token", APPROVER).strip()
    known = client_of(settings.read(demo.environ()), ann)
    with tempfile.TemporaryDirectory() as made, played(demo, known) as shown:
        take(known, shown, Path(made))
