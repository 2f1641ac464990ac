"""Asks a candidate for its health before any user sees it: directly, and through the router."""

import requests

from service.ports.outcomes import Refused, Retry

TIMEOUT = (1.0, 3.0)
PREVIEW_HEADER = "X-Segue-Version"


def ask(url: str, address: str | None, backend: str, health: str) -> str:
    """A line saying what answered. Raises `Refused` where the candidate answers badly, `Retry`
    where the router does not show it yet."""
    direct = _get(url.rstrip("/") + health, {})
    if direct is None or not direct.ok:
        said = "does not answer" if direct is None else f"answers {direct.status_code}"
        raise Refused(f"the candidate {said} at {health}")
    if address is None:
        return f"{health} answers {direct.status_code}"
    routed = _get(address.rstrip("/") + health, {PREVIEW_HEADER: backend})
    if routed is None or not routed.ok:
        raise Retry("the router does not show the preview yet", after=0.2)
    return f"{health} answers {direct.status_code}, and {routed.status_code} through the router's preview"


def _get(url: str, headers: dict[str, str]) -> requests.Response | None:
    try:
        return requests.get(url, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException:
        return None
