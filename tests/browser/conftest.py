"""One busy site for all who only look; `make test-browser` names this folder, `make test` does not."""

import shutil

import pytest

from tests.browser.chromium import Browser
from tests.browser.site import Site

LOOKS = {
    "light": {},
    "dark": {"dark": True},
    "phone": {"width": 390, "height": 844},
}


@pytest.fixture(scope="session", autouse=True)
def installed():
    """A browser and its driver."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    assert not missing, f"{missing} are not installed: apt install chromium chromium-driver"


@pytest.fixture(scope="session")
def busy(tmp_path_factory):
    """A site where much has happened; only look."""
    site = Site(tmp_path_factory.mktemp("busy")).busy()
    yield site
    site.close()


@pytest.fixture(scope="session", params=LOOKS)
def looking(request, busy, tmp_path_factory):
    """Somebody who is logged in there, in each look."""
    browser = Browser(busy, tmp_path_factory.mktemp(request.param), **LOOKS[request.param])
    browser.look = request.param
    browser.log_in()
    yield browser
    browser.close()


@pytest.fixture
def site(tmp_path):
    """A site of one's own."""
    site = Site(tmp_path / "site")
    yield site
    site.close()


@pytest.fixture
def browser(site, tmp_path):
    browser = Browser(site, tmp_path / "browser")
    yield browser
    assert browser.complaints() == []
    browser.close()
