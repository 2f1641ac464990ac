"""Each page, light and dark, on a desk and on a phone: readable for everyone, nothing beyond its edge."""

import pytest
from flask import render_template

PAGES = {
    "targets": "/-/",
    "target": "/-/targets/wine/production",
    "releases": "/-/releases",
    "open": "/-/releases?open=1",
    "promoted": "/-/releases/rel-2",
    "rolled-back": "/-/releases/rel-3",
    "approval": "/-/releases/rel-4",
    "moving": "/-/releases/rel-5",
    "pictures": "/-/releases/rel-3/pictures",
    "logs": "/-/releases/rel-2/logs",
    "events": "/-/events",
    "given-up": "/-/events?failed=1",
    "event": "/-/events/1",
    "record": "/-/record?verify=1",
    "simulator": "/-/simulator",
    "simulator-wrong": "/-/simulator?try=1&rate=many&errors=1&worse=20",
    "simulated": "/-/simulator?try=1&rate=5000&errors=1&worse=20&weights=50,100&dwell=0&false=1",
    "tokens": "/-/tokens",
    "installation": "/-/installation",
    "nothing": "/-/releases/rel-99",
    "login": "/-/login",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everyone(looking, name):
    looking.go(PAGES[name])
    if name in {"promoted", "rolled-back", "moving"}:
        looking.until("Is the new version worse?")
    if name == "simulated":
        looking.until("What becomes of a rollout")
    looking.shoot(f"{name}-{looking.look}")
    assert looking.violations() == []
    assert looking.overflow() <= 0
    assert looking.complaints() == []


def test_a_form_can_be_read_by_everyone(looking):
    looking.go("/-/releases/rel-4")
    looking.open_form("approve")
    looking.until("You approve exactly the plan")
    looking.shoot(f"form-{looking.look}")
    assert looking.violations() == []
    assert looking.overflow() <= 0


# What is shown on the way in and out alone, and where nothing is there yet.
ON_THE_WAY = {
    "link": {},
    "arrived": {"to": "/-/"},
    "left": {"there": "https://id.example/logout?client_id=segue", "provider": "id.example"},
    "stranger": {"name": "oidc:ann"},
    "overview": {"targets": [], "asks": [], "connected": False, "after": None},
}


@pytest.mark.parametrize("name", ON_THE_WAY)
def test_a_page_on_the_way_can_be_read_by_everyone(looking, name, monkeypatch):
    """As it is drawn by the page's own templates, in the place of the login; what leads away stays."""

    def drawn():
        page = render_template(f"{name}.html", **ON_THE_WAY[name])
        return page.replace('http-equiv="refresh"', 'name="leads"').replace(" data-at-once", "")

    views = looking.site.world.web.application.view_functions
    monkeypatch.setitem(views, "page.login", drawn)
    looking.go("/-/login")
    looking.until({"overview": "Nothing is connected yet", "link": "logs you in once"}.get(name, "You"))
    looking.shoot(f"{name}-on-the-way-{looking.look}")
    assert looking.violations() == []
    assert looking.overflow() <= 0
    assert looking.complaints() == []


def test_the_form_for_a_token_can_be_read_by_everyone(looking):
    looking.go("/-/tokens")
    looking.one("#make summary").click()
    looking.shoot(f"make-token-{looking.look}")
    assert looking.violations() == []
    assert looking.overflow() <= 0


def test_what_others_wrote_is_text(looking):
    looking.go("/-/releases/rel-5")
    looking.until("<script>document.title='pwned'</script><img src=x onerror=alert(1)>")
    assert "pwned" not in looking.driver.title
    assert not looking.driver.find_elements("css selector", "main img, main script")
