"""People act: by mouse and by keyboard, with and without scripts, early, late and twice."""

import json
import re

import pytest
import requests
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from policies.release import Phase
from service.showing import streams
from tests.browser.chromium import Browser
from tests.running import wait_until


def test_a_link_leads_in_by_itself_and_once(site, browser):
    path = site.link()
    browser.go(path)
    browser.until("Nothing serves yet" if site.world.store.targets() else "No release yet")
    assert "bob" in browser.text()
    browser.driver.delete_all_cookies()
    browser.go(path)
    browser.until("This link was used already")
    code = path.partition("#")[2]
    for _ in range(3):  # in the browser's history
        assert code not in browser.driver.current_url
        browser.driver.back()


def test_a_link_that_is_pasted_where_one_was_leads_in_too(site, browser):
    browser.go("/-/links")
    browser.until("paste what stands behind")
    browser.go(site.link())  # the page is not loaded anew
    browser.until("Log out")


def test_one_approves_and_sees_it_start(site, browser):
    release = site.waiting()
    browser.log_in()
    browser.until(f"{release.name} on churn/production waits for approval")
    browser.go(f"/-/releases/{release.name}")
    assert browser.press("approve", "good numbers").startswith("Done:")
    assert site.world.release(release.name).phase is not Phase.APPROVAL


def test_one_rejects(site, browser):
    release = site.waiting()
    browser.log_in()
    browser.go(f"/-/releases/{release.name}")
    assert browser.press("reject", "not now").startswith("Done:")
    assert site.world.release(release.name).phase is Phase.REJECTED
    browser.until("rejected")


def moving(site, browser):
    site.world.serve(60, {})
    site.world.live()
    release = site.next("2")
    browser.log_in()
    browser.go(f"/-/releases/{release.name}")
    return release


def test_one_pauses_resumes_goes_on_aborts_and_tries_again(site, browser):
    release = moving(site, browser)

    def after(verb, reason=""):
        """A command on a page that is fresh; the release then."""
        browser.go(f"/-/releases/{release.name}")
        assert browser.press(verb, reason).startswith("Done:")
        return site.world.release(release.name)

    assert after("pause").paused
    resumed = after("resume")
    assert not resumed.paused
    assert after("promote").wanted > resumed.wanted
    after("abort", "enough")
    site.world.play(5)
    browser.until("aborted")
    after("retry")
    assert len(site.world.releases()) == 3


def test_one_rolls_back_and_has_what_was_given_up_done_again(site, browser):
    site.world.live()
    site.next("2", until_promoted=True)
    browser.log_in()
    browser.go("/-/targets/wine/production")
    assert browser.press("rollback", "it is slow").startswith("Done:")
    site.world.play(5)
    assert site.world.target().stable.version == site.world.release("rel-1").version
    site.world.hook("git", "no object")
    site.world.settle()
    browser.go("/-/events?failed=1")
    browser.one(".rows .what").click()
    assert browser.press("replay-event").startswith("Done:")
    browser.go("/-/events?failed=1")
    browser.one(".rows .what").click()
    assert browser.press("dismiss-event", "it was no push of ours").startswith("Done:")


def test_a_release_is_followed_live_to_its_end(site, browser):
    release = moving(site, browser)
    browser.until(f"new version {release.observed:g} %")
    browser.until("Is the new version worse?")
    while not site.world.release(release.name).final:
        site.world.play(30, until=release.name)
    browser.until("promoted\nproven")
    assert not browser.driver.find_elements("css selector", "#live[hx-trigger]")


def open_streams(site):
    told = requests.get(f"{site.address}/metrics", timeout=10).text
    return float(re.search(r"^segue_web_streams (\S+)$", told, re.MULTILINE)[1])


def test_a_release_is_looked_at_when_its_stream_says_so(site, browser):
    release = moving(site, browser)
    wait_until(lambda: open_streams(site) == 1, 60)
    browser.driver.execute_script(SELDOM)
    site.world.say("pause", release.name)
    browser.until("paused")
    assert browser.driver.execute_script("return window.asked") <= 2
    browser.go("/-/releases")
    wait_until(lambda: open_streams(site) == 0, 60)


# Counts looks from here on, and lets no timer ask.
SELDOM = """
window.asked = 0;
document.addEventListener("htmx:before:request", () => { window.asked += 1; });
Date.now = () => 0;
"""


def test_a_release_is_asked_after_where_there_is_no_room_for_a_stream(site, browser, monkeypatch):
    monkeypatch.setattr(streams, "EACH", 0)
    release = moving(site, browser)
    site.world.say("pause", release.name)
    browser.until("paused")
    assert open_streams(site) == 0


def test_a_form_that_is_open_stays_as_it_was_and_says_what_has_changed_since(site, browser):
    release = moving(site, browser)
    browser.open_form("promote")
    browser.one("#do-promote input[name=reason]").send_keys("looks good")
    site.world.say("pause", release.name)
    browser.until("paused")
    assert browser.one("#do-promote input[name=reason]").get_attribute("value") == "looks good"
    browser.one("#do-promote form button").click()
    told = browser.answer()
    assert told.startswith("Not done: nothing was done")
    assert "when you looked" in told


def test_a_command_is_given_by_keyboard_alone(site, browser):
    release = moving(site, browser)
    keys = ActionChains(browser.driver)
    for _ in range(40):
        keys.send_keys(Keys.TAB).perform()
        focused = browser.driver.switch_to.active_element
        if focused.tag_name == "summary" and focused.text == "Pause…":
            break
    keys.send_keys(Keys.ENTER).perform()
    browser.until("It stays at")
    browser.driver.switch_to.active_element.send_keys("by keyboard", Keys.ENTER)
    assert browser.answer().startswith("Done:")
    assert site.world.release(release.name).paused


def test_whose_session_has_ended_is_led_to_the_login(site, browser):
    moving(site, browser)
    browser.driver.delete_all_cookies()
    browser.until("Or paste a token")


def test_a_policy_is_tried_by_sliders_and_the_address_says_what_was(site, browser):
    browser.log_in()
    browser.go("/-/simulator?rate=5000&errors=1&worse=20&weights=50,100&dwell=0")
    slider = browser.one("#worse + input[type=range]")
    assert slider.accessible_name.startswith("A worse version fails")
    slider.send_keys(Keys.END)
    assert browser.one("#worse").get_attribute("value") == "100"
    browser.until("a version with 100 times the errors")
    browser.until("What becomes of a rollout")
    link = browser.driver.find_element("partial link text", "This trial").get_attribute("href")
    assert "worse=100" in link
    field = browser.one("#rate")
    field.clear()
    field.send_keys("many", Keys.TAB)
    browser.until("'many' is no number from 0.01 to 10000")


def test_an_admin_makes_a_token_that_lets_somebody_in_and_ends_it(site, browser, tmp_path):
    browser.log_in()
    browser.go("/-/tokens")
    browser.one("#make summary").click()
    browser.one("#name").send_keys("cara")
    browser.one("input[value=viewer]").click()
    browser.one("#make form button").click()
    browser.until("cara's token. It is shown this once")
    site.world.people["cara"] = browser.one(".told code").text
    browser.shoot("token-made")
    assert browser.violations() == []
    cara = Browser(site, tmp_path / "cara")
    cara.log_in("cara")
    cara.go("/-/tokens")
    cara.until("viewer on */*")
    browser.go("/-/tokens")
    row = next(
        one for one in browser.driver.find_elements("css selector", ".holders li") if "cara" in one.text
    )
    row.find_element("css selector", "summary").click()
    row.find_element("css selector", "form button").click()
    browser.until("The token is no more")
    cara.go("/-/")
    cara.until("Or paste a token")
    cara.close()


def test_a_release_is_started_by_hand(site, browser):
    site.world.live()
    browser.log_in()
    browser.go("/-/releases")
    browser.open_form("start")
    browser.one("#reason-start").send_keys("once more")
    browser.shoot("start")
    assert browser.violations() == []
    browser.one("#do-start form button").click()
    assert browser.answer().startswith(("Done: started", "Not done: "))


def test_an_admin_overrides_the_rules_loudly(site, browser):
    release = site.waiting()
    browser.log_in()
    browser.go(f"/-/releases/{release.name}")
    assert "against its rules" in browser.press("override", "the shop is down")
    browser.until("Rules overridden bob: the shop is down")
    assert browser.violations() == []
    browser.shoot("overridden")


def test_a_picture_reads_what_is_below_the_pointer_and_keeps_the_part_that_is_shown_larger(site, browser):
    release = moving(site, browser)
    browser.until("Is the new version worse?")
    wait_until(lambda: browser.driver.find_elements("css selector", ".plot .u-over"), 60)
    over = browser.one(".plot .u-over")
    ActionChains(browser.driver).move_to_element(over).perform()
    wait_until(lambda: "all guards together 1" in browser.one(".plot .reading").text, 60)
    before = browser.one("figure").get_attribute("data-chart")
    ActionChains(browser.driver).drag_and_drop_by_offset(over, -over.size["width"] // 4, 0).perform()
    site.world.play(10, until=release.name)
    wait_until(lambda: browser.one("figure").get_attribute("data-chart") != before, 60)
    assert browser.one(".plot .u-over").id == over.id  # the numbers are new, the picture is not
    ActionChains(browser.driver).move_to_element_with_offset(over, over.size["width"] // 2 - 2, 0).perform()
    read = browser.one(".plot .reading").text
    newest = json.loads(browser.one("figure").get_attribute("data-chart"))["x"]["high"]
    assert float(read.partition(":")[0]) < newest / 2


def paste(plain, link):
    path, _, code = link.partition("#")
    plain.go(path)
    plain.one("#code").send_keys(code)
    plain.one("button.go").click()


@pytest.fixture
def plain(site, tmp_path):
    browser = Browser(site, tmp_path / "plain", script=False)
    yield browser
    browser.close()


def test_without_scripts_everything_is_there(site, plain):
    site.world.serve(60, {})
    site.world.live()
    release = site.next("2")
    paste(plain, site.link())
    plain.until("Targets")
    plain.go(f"/-/releases/{release.name}")
    plain.until("evidence against it")
    plain.open_form("pause")
    plain.one("#do-pause form button").click()
    plain.until("Your command is stored")
    site.world.settle()
    plain.driver.refresh()
    plain.until("Done:")
    plain.driver.find_element("partial link text", "Show the evidence").click()
    plain.until("Is the new version worse?")


def test_without_scripts_a_policy_is_tried_by_numbers(site, plain):
    paste(plain, site.link())
    plain.go("/-/simulator?rate=5000&errors=1&worse=20&weights=50,100&dwell=0")
    assert not plain.driver.find_elements("css selector", "input[type=range]")
    plain.one(".panel button").click()
    plain.until("What becomes of a rollout")
