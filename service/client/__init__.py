"""Segue's API from Python: what is, as typed values, and commands that wait for their reply.

The command line, the demos and the tests ask by this and in no other way. docs/how-to/python.md shows it.
"""

from collections.abc import Mapping
from pathlib import Path

from service import settings
from service.client.api import Client
from service.client.errors import ClientError, Refusal, Unreachable
from service.client.following import Told
from service.client.rows import Page, Rows
from service.machine import installation
from service.machine.installation import TOKEN, place
from service.setting_values import SettingsError
from service.settings import Settings

__all__ = [
    "Client",
    "ClientError",
    "Page",
    "Refusal",
    "Rows",
    "Told",
    "Unreachable",
    "client_of",
    "from_environment",
]


def from_environment(environ: Mapping[str, str]) -> Client:
    """The client that the environment names, as the command line reads it.

    `SEGUE_TOKEN`, or the file that `SEGUE_TOKEN_FILE` names, else the operator's token of `SEGUE_HOME`.
    Raises `SettingsError`, and `Unreachable` where there is no token at all.
    """
    given = environ.get("SEGUE_TOKEN") or _in_file(environ.get("SEGUE_TOKEN_FILE", ""))
    return client_of(settings.read(environ), given or None)


def client_of(chosen: Settings, token: str | None = None) -> Client:
    """The client of the installation at `SEGUE_HOME`, with its operator's token unless one is given.

    With SEGUE_INTAKE_URL, SEGUE_WEB_URL and a token nothing of it need be on this machine.
    """
    where = place(installation.with_ports(chosen))
    found = token or (chosen.secret(TOKEN) or b"").decode()
    if not found:
        raise Unreachable(f"there is no installation in {chosen.home} yet; start one with: segue up")
    return Client(where.intake, where.web, found)


def _in_file(path: str) -> str:
    if not path:
        return ""
    try:
        found = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"SEGUE_TOKEN_FILE: {path} cannot be read: {error}") from error
    if not found:
        raise SettingsError(f"SEGUE_TOKEN_FILE: {path} holds no token; make one with: segue token NAME")
    return found
