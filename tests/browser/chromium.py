"""A real browser that looks at the page: headless Chromium, driven by Selenium."""

import base64
import shutil
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

HERE = Path(__file__).parent
AXE = (HERE / "axe.js").read_text()
SHOTS = HERE.parents[1] / ".screenshots"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--lang=en-GB",
)  # fmt: skip
SECONDS = 60  # for which something may take its time on a busy machine
TALLEST = 6000
ENDS = """\
const [first, last] = [...arguments].map((one) => one && document.querySelector(one).getBoundingClientRect());
return [
  first ? Math.floor(first.top + window.scrollY - 8) : 0,
  last ? Math.ceil(last.bottom + window.scrollY + 8) : document.documentElement.scrollHeight,
];
"""
# What a browser says that is no fault: an answer of 400 to 404, or 429, that a test asked for; advice on login forms.
FORESEEN = (
    "status of 400",
    "status of 401",
    "status of 403",
    "status of 404",
    "status of 429",
    "[DOM] Password forms",
)


class Browser:
    """One browser with a folder of its own, at one site, of one size and colour scheme."""

    def __init__(self, site, folder, *, width=1180, height=860, dark=False, script=True):
        self.site, self.width = site, width
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        if not script:
            options.add_experimental_option(
                "prefs", {"profile.managed_default_content_settings.javascript": 2}
            )
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self._tell(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self._tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def _tell(self, command, **given):
        return self.driver.execute_cdp_cmd(command, given)

    def close(self):
        self.driver.quit()

    # --- going about -----------------------------------------------------------------------

    def go(self, path):
        self.driver.get(self.site.address + path)

    def log_in(self, who="bob"):
        """By a token, as somebody without a link does."""
        self.go("/-/login")
        self.one("#token").send_keys(self.site.world.people[who])
        self.one(".stack button").click()
        self.until("Log out")

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self):
        return self.one("body").text

    def until(self, words):
        """Wait until these words stand on the page."""
        try:
            self._wait(lambda: words in self.text())
        except TimeoutException:
            raise AssertionError(f"{words!r} does not come; there is: {self.text()[:2000]}") from None

    def open_form(self, verb):
        self.one(f"#do-{verb} summary").click()

    def press(self, verb, reason=""):
        """Open a command's form, give a reason, confirm, and have the engine obey; what it answered."""
        if self._wait(lambda: self.one(f"#do-{verb}")).get_attribute("open") is None:
            self.open_form(verb)
        self.one(f"#do-{verb} input[name=reason]").send_keys(reason)
        self.one(f"#do-{verb} form button").click()
        return self.answer()

    def stored(self):
        """Wait until what was just asked for is stored."""
        self._wait(lambda: self.one("#told"))

    def answer(self):
        """Have the engine obey what was just asked for; what the page says of it."""
        self.stored()
        self.site.world.settle()
        return self._wait(self._answered)

    def _answered(self):
        told = self.one("#told").text
        return told if told.startswith(("Done", "Not done")) else None

    def _wait(self, found):
        return WebDriverWait(self.driver, SECONDS, ignored_exceptions=(WebDriverException,)).until(
            lambda _: found()
        )

    # --- looking ---------------------------------------------------------------------------

    def shoot(self, name):
        """The whole page as a picture, among those to look at after a change."""
        SHOTS.mkdir(exist_ok=True)
        (SHOTS / f"{name}.png").write_bytes(self.picture())

    def picture(self, first=None, last=None):
        """The page as a picture (PNG): the whole of it, or from what `first` selects to the end of `last`."""
        top, bottom = self.driver.execute_script(ENDS, first, last)
        clip = {"x": 0, "y": top, "width": self.width, "height": min(TALLEST, bottom - top), "scale": 1}
        return base64.b64decode(
            self._tell("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        )

    def overflow(self):
        """By how much the page is wider than its window."""
        return self.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")

    def violations(self):
        """What axe finds wrong, with where."""
        self.driver.execute_script(AXE)
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document).then((all) => done(all.violations))"
        )
        return [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found]

    def complaints(self):
        """What the browser itself found wrong since it was last asked."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [line for line in said if not any(word in line for word in FORESEEN)]
