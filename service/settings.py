"""All settings, read from the environment once and passed down; nothing else reads it.

Secrets are not settings: they are files below `<home>/secrets`, named by the source that they
belong to, and read by `secret` when they are needed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from policies import trust, windows
from policies.limits import Limits
from policies.windows import NoWindow
from service import broker_tls, database_tls
from service.loopback import HERE

YES, NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})
PORTS = range(65_536)  # 0: any that is free
ROLLOUTS = range(1, 1_000_001)
PROBES = range(1, 65_532)  # the first of four
BODY_BYTES = range(1, (1 << 30) + 1)
DATABASES = ("postgresql://", "postgres://")
WEB = ("https://", "http://")
OWN_SECRETS = ("signing-key", "operator-token", "hook-")  # the secret files that speak for the installation
VERSION_NOTES = ("all", "tags", "none")
_COUNTED_BY = frozenset({"code", "method", "protocol", "service", "entrypoint", "router"})
BROKERS = ("redis://", "rediss://", "redis+socket://", "unix://", "amqp://", "amqps://", "memory://")


class SettingsError(ValueError):
    """A setting has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation's settings. Ports 0 are chosen by `segue up`, which records them."""

    home: Path
    database: str | None = None  # SEGUE_DATABASE: a PostgreSQL URL; None: three SQLite files in home
    broker: str | None = None  # SEGUE_BROKER: a Celery broker URL; None: poll the store
    host: str = "127.0.0.1"  # SEGUE_HOST: the address that intake and web listen on
    intake_port: int = 8470  # SEGUE_INTAKE_PORT
    web_port: int = 8471  # SEGUE_WEB_PORT
    router_port: int = 8480  # SEGUE_ROUTER_PORT: where models are served
    scrape_seconds: float = 1.0  # SEGUE_SCRAPE_SECONDS
    sweep_seconds: float = 30.0  # SEGUE_SWEEP_SECONDS
    body_bytes: int = 1 << 20  # SEGUE_BODY_BYTES: larger deliveries are refused
    keep_days: float = 30.0  # SEGUE_KEEP_DAYS: how long bodies, increments, logs and unneeded images are kept
    allow_unsigned: bool = False  # SEGUE_ALLOW_UNSIGNED: accept sources that have no secret
    images: str | None = None  # SEGUE_IMAGES: where images are pushed to, https://registry.example/models
    base: str | None = None  # SEGUE_BASE: the image that pushed images stand on, by digest
    builder: str | None = None  # SEGUE_BUILDER: the cluster that images are built in; None: this machine
    builder_image: str | None = None  # SEGUE_BUILDER_IMAGE: Segue's own image, which builds run in
    builder_secret: str | None = None  # SEGUE_BUILDER_SECRET: the Secret there that holds logins
    builder_pull_secrets: tuple[
        str, ...
    ] = ()  # SEGUE_BUILDER_PULL_SECRETS: those that its image is pulled with
    dockerfiles: str | None = None  # SEGUE_DOCKERFILES: the cluster that they are built in; None: nowhere
    buildah_image: str | None = None  # SEGUE_BUILDAH_IMAGE: an image with Buildah, which builds them
    build_secrets: tuple[str, ...] = ()  # SEGUE_BUILD_SECRETS: keys of the Secret that Dockerfiles may mount
    git_roots: tuple[Path, ...] = ()  # SEGUE_GIT_ROOTS: plain paths are allowed only below these
    trust: str = "off"  # SEGUE_TRUST: whose signature images need, by `policies.trust.rules`
    clusters_only: bool = False  # SEGUE_CLUSTERS_ONLY: nothing is served or evaluated on this machine
    probe_port: int | None = None  # SEGUE_PROBE_PORT: the first of four, of workers, reconciler, observer
    intake_url: str | None = None  # SEGUE_INTAKE_URL: where senders and people reach intake
    web_url: str | None = None  # SEGUE_WEB_URL: where people reach the API
    most_per_model: int | None = None  # SEGUE_MOST_PER_MODEL: the most rollouts at once; None: no limit
    most_per_cluster: int | None = None  # SEGUE_MOST_PER_CLUSTER: the same, in each cluster and here
    checkpoints: tuple[str, ...] = ()  # SEGUE_CHECKPOINTS: where heads of the record are kept, signed
    checkpoint_seconds: float = 3600.0  # SEGUE_CHECKPOINT_SECONDS: how often
    openlineage: str | None = None  # SEGUE_OPENLINEAGE: where run events are posted
    freeze: tuple[str, ...] = ()  # SEGUE_FREEZE: windows in which nothing begins or gets more traffic

    calendars: tuple[tuple[str, str], ...] = ()  # SEGUE_CALENDARS: names, and where their files are fetched
    version_notes: str = "all"  # SEGUE_VERSION_NOTES: what is written to registered versions: all, tags, none

    oidc_issuer: str | None = None  # SEGUE_OIDC_ISSUER: the provider that people log in to the page by
    oidc_client: str | None = None  # SEGUE_OIDC_CLIENT: the id under which it knows this installation
    oidc_scopes: str = "openid profile"  # SEGUE_OIDC_SCOPES: what it is asked for
    oidc_name: str = "preferred_username"  # SEGUE_OIDC_NAME: the claim that names somebody
    oidc_groups: str = "groups"  # SEGUE_OIDC_GROUPS: the claim that lists their groups
    proxies: tuple[str, ...] = ()  # SEGUE_PROXIES: networks whose X-Forwarded-For is believed
    segments: tuple[tuple[str, str], ...] = ()  # SEGUE_SEGMENTS: labels of this machine's router, and headers

    def store_url(self, owner: str) -> str:
        """The SQLAlchemy URL of the store of `inbox`, `engine` or `series`."""
        return self.database or f"sqlite:///{self.home / 'stores' / f'{owner}.db'}"

    @property
    def limits(self) -> Limits:
        """How many rollouts may be on at once, and when none goes on."""
        names = tuple(name for name, _ in self.calendars)
        return Limits(self.most_per_model, self.most_per_cluster, self.freeze, names)

    def secret(self, name: str) -> bytes | None:
        """The secret of that name, or None where none was made."""
        path = self.home / "secrets" / name
        return path.read_bytes().strip() if path.is_file() else None

    def live(self, name: str) -> tuple[bytes, ...]:
        """The secrets of that name that are taken now, a line each: the present one first, below it those
        that a sender may still sign with while the secret is changed."""
        lines = (self.secret(name) or b"").splitlines()
        return tuple(line.strip() for line in lines if line.strip())


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables named `SEGUE_*`; `SEGUE_HOME` defaults to `~/.segue`.

    Raises `SettingsError` with the variable's name, what was found and what is allowed.
    """
    default = Settings(home=Path(environ.get("HOME", "/")) / ".segue")
    found = Settings(
        home=Path(environ.get("SEGUE_HOME") or default.home).absolute(),
        database=_database(environ),
        broker=_broker(environ),
        host=environ.get("SEGUE_HOST") or default.host,
        intake_port=_whole(environ, "SEGUE_INTAKE_PORT", default.intake_port, PORTS),
        web_port=_whole(environ, "SEGUE_WEB_PORT", default.web_port, PORTS),
        router_port=_whole(environ, "SEGUE_ROUTER_PORT", default.router_port, PORTS),
        scrape_seconds=_number(environ, "SEGUE_SCRAPE_SECONDS", default.scrape_seconds),
        sweep_seconds=_number(environ, "SEGUE_SWEEP_SECONDS", default.sweep_seconds),
        body_bytes=_whole(environ, "SEGUE_BODY_BYTES", default.body_bytes, BODY_BYTES),
        keep_days=_number(environ, "SEGUE_KEEP_DAYS", default.keep_days),
        allow_unsigned=_yes(environ, "SEGUE_ALLOW_UNSIGNED"),
        images=_address(environ, "SEGUE_IMAGES", WEB, "https://registry.example/models"),
        base=_address(environ, "SEGUE_BASE", WEB, "https://host/python@sha256:…"),
        builder=environ.get("SEGUE_BUILDER") or None,
        builder_image=environ.get("SEGUE_BUILDER_IMAGE") or None,
        builder_secret=environ.get("SEGUE_BUILDER_SECRET") or None,
        builder_pull_secrets=_secrets(environ, "SEGUE_BUILDER_PULL_SECRETS"),
        dockerfiles=environ.get("SEGUE_DOCKERFILES") or None,
        buildah_image=environ.get("SEGUE_BUILDAH_IMAGE") or None,
        build_secrets=_keys(environ, "SEGUE_BUILD_SECRETS"),
        git_roots=_folders(environ, "SEGUE_GIT_ROOTS"),
        trust=_trust(environ, default.trust),
        clusters_only=_yes(environ, "SEGUE_CLUSTERS_ONLY"),
        probe_port=_whole(environ, "SEGUE_PROBE_PORT", 0, PROBES) or None,
        intake_url=_address(environ, "SEGUE_INTAKE_URL", WEB, "https://hooks.example"),
        web_url=_address(environ, "SEGUE_WEB_URL", WEB, "https://segue.example"),
        most_per_model=_whole(environ, "SEGUE_MOST_PER_MODEL", 0, ROLLOUTS) or None,
        most_per_cluster=_whole(environ, "SEGUE_MOST_PER_CLUSTER", 0, ROLLOUTS) or None,
        checkpoints=_archives(environ, "SEGUE_CHECKPOINTS"),
        checkpoint_seconds=_number(environ, "SEGUE_CHECKPOINT_SECONDS", default.checkpoint_seconds),
        openlineage=_openlineage(environ),
        freeze=_windows(environ, "SEGUE_FREEZE"),
        calendars=_calendars(environ, "SEGUE_CALENDARS"),
        version_notes=_version_notes(environ, default.version_notes),
        oidc_issuer=_address(environ, "SEGUE_OIDC_ISSUER", WEB, "https://login.example/realms/ml"),
        oidc_client=environ.get("SEGUE_OIDC_CLIENT") or None,
        oidc_scopes=environ.get("SEGUE_OIDC_SCOPES") or default.oidc_scopes,
        oidc_name=environ.get("SEGUE_OIDC_NAME") or default.oidc_name,
        oidc_groups=environ.get("SEGUE_OIDC_GROUPS") or default.oidc_groups,
        proxies=_networks(environ, "SEGUE_PROXIES"),
        segments=_segments(environ, "SEGUE_SEGMENTS"),
    )
    _check_provider(found)
    _check_builder(environ)
    return found


def environ_of(settings: Settings) -> dict[str, str]:
    """The variables from which `read` makes these settings again: what a child process is given."""
    return {name: value for name, value in written(settings).items() if value}


def written(settings: Settings) -> dict[str, str]:
    """Every setting as its variable says it; empty where there is none."""
    return {
        "SEGUE_HOME": str(settings.home),
        "SEGUE_DATABASE": settings.database or "",
        "SEGUE_BROKER": settings.broker or "",
        "SEGUE_HOST": settings.host,
        "SEGUE_INTAKE_PORT": str(settings.intake_port),
        "SEGUE_WEB_PORT": str(settings.web_port),
        "SEGUE_ROUTER_PORT": str(settings.router_port),
        "SEGUE_SCRAPE_SECONDS": str(settings.scrape_seconds),
        "SEGUE_SWEEP_SECONDS": str(settings.sweep_seconds),
        "SEGUE_BODY_BYTES": str(settings.body_bytes),
        "SEGUE_KEEP_DAYS": str(settings.keep_days),
        "SEGUE_ALLOW_UNSIGNED": "yes" if settings.allow_unsigned else "no",
        "SEGUE_IMAGES": settings.images or "",
        "SEGUE_BASE": settings.base or "",
        "SEGUE_BUILDER": settings.builder or "",
        "SEGUE_BUILDER_IMAGE": settings.builder_image or "",
        "SEGUE_BUILDER_SECRET": settings.builder_secret or "",
        "SEGUE_BUILDER_PULL_SECRETS": ",".join(settings.builder_pull_secrets),
        "SEGUE_DOCKERFILES": settings.dockerfiles or "",
        "SEGUE_BUILDAH_IMAGE": settings.buildah_image or "",
        "SEGUE_BUILD_SECRETS": ",".join(settings.build_secrets),
        "SEGUE_GIT_ROOTS": ":".join(str(root) for root in settings.git_roots),
        "SEGUE_TRUST": settings.trust,
        "SEGUE_CLUSTERS_ONLY": "yes" if settings.clusters_only else "no",
        "SEGUE_PROBE_PORT": str(settings.probe_port or ""),
        "SEGUE_INTAKE_URL": settings.intake_url or "",
        "SEGUE_WEB_URL": settings.web_url or "",
        "SEGUE_MOST_PER_MODEL": str(settings.most_per_model or ""),
        "SEGUE_MOST_PER_CLUSTER": str(settings.most_per_cluster or ""),
        "SEGUE_CHECKPOINTS": ",".join(settings.checkpoints),
        "SEGUE_CHECKPOINT_SECONDS": str(settings.checkpoint_seconds),
        "SEGUE_OPENLINEAGE": settings.openlineage or "",
        "SEGUE_FREEZE": "; ".join(settings.freeze),
        "SEGUE_CALENDARS": "; ".join(f"{name}={url}" if url else name for name, url in settings.calendars),
        "SEGUE_VERSION_NOTES": settings.version_notes,
        "SEGUE_OIDC_ISSUER": settings.oidc_issuer or "",
        "SEGUE_OIDC_CLIENT": settings.oidc_client or "",
        "SEGUE_OIDC_SCOPES": settings.oidc_scopes,
        "SEGUE_OIDC_NAME": settings.oidc_name,
        "SEGUE_OIDC_GROUPS": settings.oidc_groups,
        "SEGUE_PROXIES": ",".join(settings.proxies),
        "SEGUE_SEGMENTS": ",".join(f"{label}={header}" for label, header in settings.segments),
    }


def _archives(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Places that keep files: a folder, an address, or a folder of a branch of a connected repository."""
    told = tuple(text.strip().rstrip("/") for text in environ.get(name, "").split(",") if text.strip())
    for text in told:
        _check_bare(name, text, "login-archive")
        web = text.startswith(WEB) and urlsplit(text).hostname
        if not (web or text.startswith("/") or re.fullmatch(r"[^:/\s]+:[^:\s]+:[^:\s]+", text)):
            wanted = "folders as /mnt/audit, addresses, or places in Git as audit:main:segue"
            raise SettingsError(f"{name} has {text!r}; write {wanted}, with commas between them")
    return told


def _openlineage(environ: Mapping[str, str]) -> str | None:
    name = "SEGUE_OPENLINEAGE"
    address = _address(environ, name, WEB, "https://marquez.example/api/v1/lineage")
    _check_bare(name, address or "", "login-openlineage")
    return address


def _check_bare(name: str, address: str, file: str) -> None:
    """Raise `SettingsError` where an address may hold a secret: it stands in what is told of failures."""
    try:
        parts = urlsplit(address)
        bare = not ("@" in parts.netloc or parts.query or parts.fragment)
    except ValueError:
        bare = False
    if not bare:
        wanted = f"an address alone, and its login into the file {file}"
        raise SettingsError(f"{name} has an address with more than host and path; write {wanted}")


def _windows(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        return tuple(windows.parse(text).text for text in environ.get(name, "").split(";") if text.strip())
    except NoWindow as error:
        wanted = "windows with `;` between them, such as Fri 16:00 - Mon 08:00 Europe/Berlin"
        raise SettingsError(f"{name} is {environ[name]!r}, which {error}; write {wanted}") from None


def _calendars(environ: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """Names and addresses; of a name alone the address is a secret, which is read when it is needed."""
    told = [text.partition("=") for text in environ.get(name, "").split(";") if text.strip()]
    found = tuple((called.strip(), url.strip()) for called, _, url in told)
    for called, url in found:
        if re.fullmatch(r"[a-z0-9_-]{1,64}", called) is None or [one for one, _ in found].count(called) > 1:
            wanted = "a name of its own for each, of small letters, digits, - and _: ops=https://host/ops.ics"
            raise SettingsError(f"{name} has {called!r}; write {wanted}")
        if url:
            _check_bare(name, url, f"calendar-{called}")
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


def _check_provider(found: Settings) -> None:
    """A client of its own, and HTTPS to anywhere but this machine: else a login could be read or changed."""
    if (found.oidc_issuer is None) != (found.oidc_client is None):
        there, other = "SEGUE_OIDC_ISSUER", "SEGUE_OIDC_CLIENT"
        there, other = (there, other) if found.oidc_client is None else (other, there)
        raise SettingsError(f"{there} is set, and {other} is not: they need each other")
    where = urlsplit(found.oidc_issuer or "https:")
    if where.scheme != "https" and where.hostname not in HERE:
        raise SettingsError("SEGUE_OIDC_ISSUER must begin with https:// unless it is on this machine")
    if "openid" not in found.oidc_scopes.split():
        raise SettingsError(f"SEGUE_OIDC_SCOPES is {found.oidc_scopes!r}; write one with openid in it")


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in environ.get(name, "").split(",") if text.strip())


def _networks(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Addresses and networks, as 10.0.0.0/8."""
    told = _listed(environ, name)
    for text in told:
        try:
            ip_network(text)
        except ValueError:
            raise SettingsError(f"{name} has {text!r}; write addresses or networks: 10.0.0.0/8") from None
    return told


def _check_builder(environ: Mapping[str, str]) -> None:
    """A build in a cluster can leave an image only in a registry; what stands on no Dockerfile's base needs
    one to run there."""
    needs = {
        "SEGUE_BUILDER": ("SEGUE_BUILDER_IMAGE", "SEGUE_IMAGES", "SEGUE_BASE"),
        "SEGUE_DOCKERFILES": ("SEGUE_BUILDAH_IMAGE", "SEGUE_BUILDER_IMAGE", "SEGUE_IMAGES"),
        "SEGUE_BUILD_SECRETS": ("SEGUE_BUILDER_SECRET",),
    }
    for name, needed in needs.items():
        missing = [other for other in needed if not environ.get(other)]
        if environ.get(name) and missing:
            raise SettingsError(f"{name} needs {' and '.join(missing)}, too; see the list of settings")


def _secrets(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Names of Secrets. Contract: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
    told = _listed(environ, name)
    for text in told:
        if not re.fullmatch(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", text):
            raise SettingsError(f"{name} has {text!r}; write names of Secrets, such as registry,mirror")
    return told


def _keys(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Names of a Secret's keys, of the letters that both it and Buildah's option may have."""
    keys = _listed(environ, name)
    odd = next((key for key in keys if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", key)), None)
    if odd is not None:
        raise SettingsError(f"{name} names {odd!r}; write keys of a Secret, such as pip.conf,netrc")
    own = next((key for key in keys if key.startswith(OWN_SECRETS)), None)
    if own is not None:
        raise SettingsError(f"{name} names {own!r}, which no Dockerfile may ever read")
    return keys


def _segments(environ: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """Labels that the router counts by, each with the request's header that says its value."""
    told = _listed(environ, name)
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


def _address(environ: Mapping[str, str], name: str, beginnings: tuple[str, ...], example: str) -> str | None:
    text = environ.get(name, "")
    if text and not text.startswith(beginnings):
        raise SettingsError(f"{name} does not begin as an address of its kind; write one such as {example}")
    return text.rstrip("/") or None


def _broker(environ: Mapping[str, str]) -> str | None:
    address = _address(environ, "SEGUE_BROKER", BROKERS, "redis://127.0.0.1:6379/0")
    try:
        broker_tls.parted(address or "")
    except ValueError as reason:
        raise SettingsError(f"SEGUE_BROKER has an option of TLS that cannot be: {reason}") from reason
    return address


def _database(environ: Mapping[str, str]) -> str | None:
    address = _address(environ, "SEGUE_DATABASE", DATABASES, "postgresql://segue@db.example/segue")
    try:
        database_tls.parted(address or "")
    except ValueError as reason:
        raise SettingsError(f"SEGUE_DATABASE has an option of TLS that cannot be: {reason}") from reason
    return address


def _folders(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    folders = tuple(Path(text) for text in environ.get(name, "").split(":") if text)
    relative = next((folder for folder in folders if not folder.is_absolute()), None)
    if relative is not None:
        raise SettingsError(f"{name} names '{relative}'; write a whole path such as {relative.absolute()}")
    return folders


def _trust(environ: Mapping[str, str], default: str) -> str:
    text = environ.get("SEGUE_TRUST") or default
    try:
        trust.rules(text)
    except ValueError as reason:
        raise SettingsError(f"SEGUE_TRUST is {text!r}: {reason}") from reason
    return text


def _version_notes(environ: Mapping[str, str], default: str) -> str:
    text = environ.get("SEGUE_VERSION_NOTES") or default
    if text not in VERSION_NOTES:
        raise SettingsError(f"SEGUE_VERSION_NOTES is {text!r}; write one of: {', '.join(VERSION_NOTES)}")
    return text


def _yes(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "").lower() or "no"
    if text not in YES | NO:
        raise SettingsError(f"{name} is {text!r}; write yes or no")
    return text in YES


def _whole(environ: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    # No setting needs twelve digits, and `int` refuses to read thousands of them.
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) not in allowed:
        bounds = f"from {allowed.start} to {allowed.stop - 1}"
        raise SettingsError(f"{name} is {text!r}; write a whole number {bounds}, such as {default}")
    return int(text)


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 < value < 86_400:
        raise SettingsError(f"{name} is {text!r}; write a number between 0 and 86400, such as {default}")
    return value
