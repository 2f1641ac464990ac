"""A calendar at an address of the web, fetched only where it has changed (RFC 9110: `ETag`, `If-None-Match`).

No redirect is followed and the address is named nowhere: whoever knows it can often read the calendar.
"""

import time
from typing import Self

import requests

from service.adapters.reach import Chosen
from service.adapters.steady import steady
from service.adapters.unanswered import unanswered
from service.loopback import leads_here
from service.ports.calendars import Fetched
from service.ports.outcomes import Refused, Retry
from service.setting_values import SettingsError, check_calendar
from service.settings import Settings

SECONDS = 20.0  # for a whole answer
LARGEST = 1 << 20  # bytes
_PIECE = 1 << 16
_MARK = 1_000  # characters


class WebCalendar:
    """One calendar, by its address."""

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url = name, url
        self._session = steady(requests.Session(), SECONDS, Chosen())
        self._session.auth = lambda asked: asked  # a .netrc file is none of our business
        self._session.trust_env = not leads_here(url)  # proxies, certificates
        self._session.headers.update({"User-Agent": "segue", "Accept": "text/calendar"})

    @classmethod
    def open(cls, settings: Settings, name: str) -> Self:
        """The one of that name in the settings. Raises `Refused` where its address is not known."""
        url = dict(settings.calendars).get(name) or (settings.secret(f"calendar-{name}") or b"").decode(
            "utf-8", "replace"
        )
        try:
            check_calendar(f"the secret file calendar-{name}", url)
        except SettingsError as error:
            raise Refused(
                f"{error}; write the calendar's https:// address there, or into SEGUE_CALENDARS"
            ) from None
        return cls(name, url)

    def fetch(self, mark: str) -> Fetched | None:
        deadline = time.monotonic() + SECONDS
        known = {"If-None-Match": mark} if mark else {}
        try:
            with self._session.get(
                self._url, headers=known, timeout=SECONDS, stream=True, allow_redirects=False
            ) as answer:
                body = self._body(answer, deadline) if answer.status_code == 200 else b""
        except (requests.RequestException, OSError) as error:
            raise unanswered(f"{self._name} does not answer", error, after=1) from None
        if answer.status_code == 304 and mark:
            return None
        if answer.status_code != 200:
            raise Retry(f"{self._name} answered {answer.status_code}")
        given = answer.headers.get("ETag", "")
        return Fetched(body, given if len(given) <= _MARK else "")

    def _body(self, answer: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        for piece in answer.iter_content(_PIECE):
            body += piece
            if len(body) > LARGEST:
                raise Refused(f"{self._name} has more than {LARGEST} bytes")
            if time.monotonic() > deadline:
                raise Retry(f"the answer of {self._name} has no end")
        return bytes(body)
