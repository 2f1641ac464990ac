"""What a setting's text means, by the kind of value that it has.

Each raises `SettingsError` with the variable's name, what was found and what to write instead.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from policies import windows
from policies.windows import NoWindow
from service.loopback import HERE

YES, NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})
WEB = ("https://", "http://")
OWN_SECRETS = ("signing-key", "operator-token", "hook-")  # the secret files that speak for the installation
_COUNTED_BY = frozenset({"code", "method", "protocol", "service", "entrypoint", "router"})


class SettingsError(ValueError):
    """A setting has a value that cannot be used."""


def address(environ: Mapping[str, str], name: str, beginnings: tuple[str, ...], example: str) -> str | None:
    """An address that begins in one of these ways, without the slash at its end; None where it is not set."""
    text = environ.get(name, "")
    if text and not text.startswith(beginnings):
        raise SettingsError(f"{name} does not begin as an address of its kind; write one such as {example}")
    return text.rstrip("/") or None


def yes(environ: Mapping[str, str], name: str) -> bool:
    """A yes or a no; no where it is not set."""
    text = environ.get(name, "").lower() or "no"
    if text not in YES | NO:
        raise SettingsError(f"{name} is {text!r}; write yes or no")
    return text in YES


def one_of(environ: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of these words."""
    text = environ.get(name) or default
    if text not in allowed:
        raise SettingsError(f"{name} is {text!r}; write one of: {', '.join(allowed)}")
    return text


def whole(environ: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    """A whole number of a range."""
    text = environ.get(name, "")
    if not text:
        return default
    # No setting needs twelve digits, and `int` refuses to read thousands of them.
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) not in allowed:
        bounds = f"from {allowed.start} to {allowed.stop - 1}"
        raise SettingsError(f"{name} is {text!r}; write a whole number {bounds}, such as {default}")
    return int(text)


def number(environ: Mapping[str, str], name: str, default: float) -> float:
    """A number of seconds or days, below 86,400."""
    text = environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 < value < 86_400:
        raise SettingsError(f"{name} is {text!r}; write a number between 0 and 86400, such as {default}")
    return value


def listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Texts with commas between them."""
    return tuple(text.strip() for text in environ.get(name, "").split(",") if text.strip())


def folders(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    """Whole paths with colons between them."""
    folders = tuple(Path(text) for text in environ.get(name, "").split(":") if text)
    relative = next((folder for folder in folders if not folder.is_absolute()), None)
    if relative is not None:
        raise SettingsError(f"{name} names '{relative}'; write a whole path such as {relative.absolute()}")
    return folders


def networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Addresses and networks, as 10.0.0.0/8."""
    told = listed(environ, name)
    for text in told:
        try:
            ip_network(text)
        except ValueError:
            raise SettingsError(f"{name} has {text!r}; write addresses or networks: 10.0.0.0/8") from None
    return told


def secrets(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Names of Secrets. Contract: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
    told = listed(environ, name)
    for text in told:
        if not re.fullmatch(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", text):
            raise SettingsError(f"{name} has {text!r}; write names of Secrets, such as registry,mirror")
    return told


def keys(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Names of a Secret's keys, of the letters that both it and Buildah's option may have."""
    keys = listed(environ, name)
    odd = next((key for key in keys if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", key)), None)
    if odd is not None:
        raise SettingsError(f"{name} names {odd!r}; write keys of a Secret, such as pip.conf,netrc")
    own = next((key for key in keys if key.startswith(OWN_SECRETS)), None)
    if own is not None:
        raise SettingsError(f"{name} names {own!r}, which no Dockerfile may ever read")
    return keys


def segments(environ: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """Labels that the router counts by, each with the request's header that says its value."""
    told = listed(environ, name)
    for text in told:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}=[A-Za-z][A-Za-z0-9-]{0,79}", text):
            raise SettingsError(
                f"{name} has {text!r}; write a label and the header that says it, such as country=X-Country"
            )
    pairs = tuple((label, header) for label, _, header in (text.partition("=") for text in told))
    twice = sorted({label for label, _ in pairs if [one for one, _ in pairs].count(label) > 1})
    taken = sorted(_COUNTED_BY & {label for label, _ in pairs})
    if twice or taken:
        raise SettingsError(f"{name} has {(twice or taken)[0]!r} twice, or the router counts by that already")
    return pairs


def archives(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Places that keep files: a folder, an address, or a folder of a branch of a connected repository."""
    told = tuple(text.strip().rstrip("/") for text in environ.get(name, "").split(",") if text.strip())
    for text in told:
        check_bare(name, text, "login-archive")
        web = text.startswith(WEB) and urlsplit(text).hostname
        if not (web or text.startswith("/") or re.fullmatch(r"[^:/\s]+:[^:\s]+:[^:\s]+", text)):
            wanted = "folders as /mnt/audit, addresses, or places in Git as audit:main:segue"
            raise SettingsError(f"{name} has {text!r}; write {wanted}, with commas between them")
    return told


def freezes(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Windows with semicolons between them, by `policies.windows`."""
    try:
        return tuple(windows.parse(text).text for text in environ.get(name, "").split(";") if text.strip())
    except NoWindow as error:
        wanted = "windows with `;` between them, such as Fri 16:00 - Mon 08:00 Europe/Berlin"
        raise SettingsError(f"{name} is {environ[name]!r}, which {error}; write {wanted}") from None


def calendars(environ: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """Names and addresses; of a name alone the address is a secret, which is read when it is needed."""
    told = [text.partition("=") for text in environ.get(name, "").split(";") if text.strip()]
    found = tuple((called.strip(), url.strip()) for called, _, url in told)
    for called, url in found:
        if re.fullmatch(r"[a-z0-9_-]{1,64}", called) is None or [one for one, _ in found].count(called) > 1:
            wanted = "a name of its own for each, of small letters, digits, - and _: ops=https://host/ops.ics"
            raise SettingsError(f"{name} has {called!r}; write {wanted}")
        if url:
            check_bare(name, url, f"calendar-{called}")
            check_calendar(name, url)
    return found


def check_calendar(name: str, url: str) -> None:
    """Raise `SettingsError` where a calendar's address is none: what is read could be changed on its way."""
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and (parts.scheme == "https" or parts.hostname in HERE)
    except ValueError:
        fine = False
    if not fine:
        raise SettingsError(f"{name} has an address that does not begin with https://")


def check_bare(name: str, address: str, file: str) -> None:
    """Raise `SettingsError` where an address may hold a secret: it stands in what is told of failures."""
    try:
        parts = urlsplit(address)
        bare = not ("@" in parts.netloc or parts.query or parts.fragment)
    except ValueError:
        bare = False
    if not bare:
        wanted = f"an address alone, and its login into the file {file}"
        raise SettingsError(f"{name} has an address with more than host and path; write {wanted}")
