"""Installs Debian's Chromium and its driver; without them no browser test runs."""

from tests import packages

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}

if __name__ == "__main__":
    packages.install(PACKAGES)
