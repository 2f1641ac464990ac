"""Two people decide at the same moment: in two browsers, and in a browser and a comment of a Git host."""

import time

import pytest

from policies.release import Phase
from tests.browser.chromium import Browser
from tests.browser.site import Site
from tests.scenarios.conftest import WINE
from tests.scenarios.test_approved_at_once import BEGUN, Crowd, commands_of
from tests.scenarios.test_comments import Hosted
from tests.serving import Served

ONE, TWO = WINE + "approvals: {count: 1}\n", WINE + "approvals: {count: 2}\n"


# Two browsers come up together, which takes its time on a busy machine.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with a repository at a Git host, whose people talk below a pull request."""
    site = Site(tmp_path_factory.mktemp("site"), Hosted)
    site.world.clock.now = time.time()
    yield site
    site.close()


@pytest.fixture(scope="module")
def crowd(site):
    """Its people, whose deliveries come by HTTP, and four workers that obey."""
    intake = Served(site.world.intake.application)
    yield Crowd(site.world, f"http://127.0.0.1:{intake.port}", site.address)
    intake.end()


def logged_in(site, folder, who):
    browser = Browser(site, folder)
    browser.log_in(who)
    yield browser
    assert browser.complaints() == []
    browser.close()


@pytest.fixture(scope="module")
def bob(site, tmp_path_factory):
    yield from logged_in(site, tmp_path_factory.mktemp("bob"), "bob")


@pytest.fixture(scope="module")
def eve(site, tmp_path_factory):
    """In a browser of her own."""
    yield from logged_in(site, tmp_path_factory.mktemp("eve"), "eve")


@pytest.fixture
def waiting(site):
    """Has a release wait for so many people; what is left of it gives way afterwards."""
    names = []

    def waits(rule):
        names.append(site.world.waiting(rule))
        return names[-1]

    yield waits
    for name in names:
        site.world.say("abort", name, who="ann")


def about_to_approve(browser, name):
    """The form is open; pressing it, until it is stored."""
    browser.go(f"/-/releases/{name}")
    browser.open_form("approve")

    def press():
        browser.one("#do-approve form button").click()
        browser.stored()

    return press


def test_two_people_in_two_browsers_at_once_count_once_each(site, crowd, bob, eve, waiting):
    name = waiting(TWO)
    crowd.together(about_to_approve(bob, name), about_to_approve(eve, name))
    release = site.world.release(name)
    assert release.phase in BEGUN
    assert sorted(given.actor for given in release.approvals) == ["bob", "eve"]
    assert len(commands_of(site.world, name)) == 2
    told = sorted((bob.answer(), eve.answer()))
    assert told[0].startswith(f"Done: {name} is approved")
    assert told[1].startswith(f"Done: {name}: approval noted; 1 more must approve")


def test_of_two_in_browsers_where_one_is_enough_the_second_is_told_who_approved(
    site, crowd, bob, eve, waiting
):
    name = waiting(ONE)
    crowd.together(about_to_approve(bob, name), about_to_approve(eve, name))
    (given,) = site.world.release(name).approvals
    told = {"bob": bob.answer(), "eve": eve.answer()}
    first = told.pop(given.actor)
    assert first.startswith(f"Done: {name} is approved")
    (second,) = told.values()
    assert second.startswith(f"Not done: {name} was approved by {given.actor} already")
    began = [e for e in site.world.store.record_of(name) if e.action == Phase.STARTING.value]
    assert len(began) == 1


def test_one_in_a_browser_and_one_by_a_comment_at_once_count_once_each(site, crowd, bob, waiting):
    world = site.world
    name = waiting(TWO)
    crowd.together(about_to_approve(bob, name), crowd.by_comment(name, "sue"))
    release = world.release(name)
    assert release.phase in BEGUN
    assert sorted(given.actor for given in release.approvals) == ["bob", "code:sue"]
    said = (bob.answer(), world.told()[-1])
    assert sum(f"{name} is approved" in one for one in said) == 1
    assert sum(f"{name}: approval noted; 1 more must approve" in one for one in said) == 1
    assert world.say("abort", name, who="ann").ok

    name = waiting(ONE)
    crowd.together(about_to_approve(bob, name), crowd.by_comment(name, "sue"))
    (given,) = world.release(name).approvals
    said = (bob.answer(), world.told()[-1])
    assert sum(f"{name} is approved" in one for one in said) == 1
    assert sum(f"{name} was approved by {given.actor} already" in one for one in said) == 1
