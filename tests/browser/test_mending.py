"""People mend what somebody else changed, take it for right, and hand a place back as it was found."""

import pytest

from policies.release import Phase
from tests.browser.chromium import Browser
from tests.browser.site import Site
from tests.integration.test_pages import changed
from tests.scenarios.taken_over import FOUND, TARGET, ClusterWorld

WINE_PAGE = "/-/targets/wine/production"


def drifted(site, browser):
    """The version before has all requests, by somebody else; whoever looks sees it."""
    site.world.live()
    release = site.next("2", until_promoted=True)
    changed(site.world, "kubectl-edit gave all to the old one")
    browser.log_in()
    browser.go(WINE_PAGE)
    browser.until("Changed by somebody else")
    browser.until("kubectl-edit gave all to the old one")
    return release


def test_one_repairs_what_somebody_else_changed(site, browser):
    release = drifted(site, browser)
    browser.open_form("repair")
    browser.until("What Segue decided is written once more, over exactly what is shown here.")
    assert browser.violations() == []
    assert browser.press("repair", "not agreed").startswith("Done: wine/production is being repaired")
    site.world.settle(1)
    assert site.world.weights()[release.backend] == 100
    browser.go(WINE_PAGE)
    browser.until(f"serves\n{release.name}")
    assert "Changed by somebody else" not in browser.text()
    browser.go("/-/record")
    browser.until("not agreed")


def test_one_takes_what_somebody_else_changed_for_right_and_has_to_say_why(site, browser):
    release = drifted(site, browser)
    browser.open_form("adopt")
    browser.until("is right from now on, and the record calls it *not proven*")
    browser.one("#do-adopt form button").click()
    required = browser.driver.execute_script(
        "return document.querySelector('#reason-adopt').validity.valueMissing"
    )
    assert required, "nothing is sent without a reason"
    assert browser.press("adopt", "the new one is slow").startswith(
        "Done: wine/production is taken for right"
    )
    site.world.settle(1)
    assert site.world.target().previous.backend == release.backend
    browser.go(WINE_PAGE)
    browser.until("not proven: bob took it for right: the new one is slow")
    browser.until(f"kept warm\n{release.name}")
    assert "Changed by somebody else" not in browser.text()


@pytest.fixture
def clustered(tmp_path):
    """A site with a Deployment that was found in a cluster, and where a release of Segue's serves by now."""
    site = Site(tmp_path / "clustered", ClusterWorld)
    yield site
    site.close()


def test_one_hands_a_place_back_as_it_was_found(clustered, tmp_path):
    world = clustered.world
    release = world.take_over()
    world.play(120, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED
    browser = Browser(clustered, tmp_path / "browser")
    browser.log_in()
    browser.go(f"/-/targets/{TARGET}")
    browser.until(f"serves\n{release.name}")
    browser.open_form("hand-back")
    browser.until("The Deployment ml/fraud is as it was found, and goes on serving the version of now.")
    assert browser.violations() == []
    told = browser.press("hand-back", "we leave")
    assert told.startswith(f"Done: {TARGET} goes back to ml/fraud")
    world.settle(30)
    assert world.deployment.running == (FOUND,)
    browser.go(f"/-/targets/{TARGET}")
    browser.until("serves\nnothing yet")
    assert not browser.driver.find_elements("css selector", "#do-hand-back")
    browser.go("/-/record")
    browser.until("we leave")
    assert browser.complaints() == []
    browser.close()
