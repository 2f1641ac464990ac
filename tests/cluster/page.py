"""The page of an installed Segue, opened over the gateway as a browser would: over HTTP, with its cookie."""

from urllib.parse import urljoin, urlsplit

import requests

from tests.cluster.whole import eventually
from tests.visiting import fields, words


class Page:
    """Who followed a link of `segue open`. `gateway` is where requests go, whatever host the link names."""

    def __init__(self, gateway, link):
        parts = urlsplit(link)
        self._origin, self._gateway = f"{parts.scheme}://{parts.netloc}", gateway
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Host"] = parts.netloc
        assert "This link logs you in once." in words(self._get(parts.path))
        self._post("/-/login/link", {"code": parts.fragment})

    def read(self, path):
        """What stands there."""
        return words(self._get(path))

    def press(self, verb, path):
        """Give the command of a page; what it was answered."""
        told = self._post("/-/commands", fields(self._get(path), verb)).rpartition("?told=")[2]
        return eventually(lambda: self._answer(told), f"{verb} is not answered")

    def _answer(self, told):
        said = self.read(f"/-/answers/{told}")
        return said if "Done:" in said or "Not done" in said else ""

    def _get(self, path):
        answer = self._session.get(urljoin(self._gateway, path), timeout=10)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    def _post(self, path, form):
        """Send a form as that page; where it leads."""
        url, origin = urljoin(self._gateway, path), {"Origin": self._origin}
        answer = self._session.post(url, data=form, headers=origin, timeout=10, allow_redirects=False)
        assert answer.status_code == 303, (path, answer.status_code, answer.text)
        return answer.headers["Location"]
