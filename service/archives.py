"""Where checkpoints are kept: the adapter of each form in which a place is written."""

from service import plugins
from service.ports.archives import Archive
from service.setting_values import WEB
from service.settings import Settings


def opened(settings: Settings, place: str) -> Archive:
    """The place of that name. Raises `Refused` where it cannot be used."""
    found: Archive = plugins.load("archives", _kind(place)).open(settings, place)
    return found


def _kind(place: str) -> str:
    if place.startswith(WEB):
        return "web"
    return "folder" if place.startswith("/") else "commits"
