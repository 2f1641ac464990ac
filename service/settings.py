"""All settings, read from the environment once and passed down; nothing else reads it.

Secrets are not settings: they are files below `<home>/secrets`, named by the source that they
belong to, and read by `secret` when they are needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from policies import trust
from policies.limits import Limits
from service import broker_tls, database_tls
from service import setting_values as values
from service.loopback import HERE
from service.setting_values import WEB, SettingsError

PORTS = range(65_536)  # 0: any that is free
ROLLOUTS = range(1, 1_000_001)
PROBES = range(1, 65_532)  # the first of four
BODY_BYTES = range(1, (1 << 30) + 1)
DATABASES = ("postgresql://", "postgres://")
VERSION_NOTES = ("all", "tags", "none")
LOGS = ("files", "stdout")
BROKERS = ("redis://", "rediss://", "redis+socket://", "unix://", "amqp://", "amqps://", "memory://")


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
    body_bytes: int = 4 << 20  # SEGUE_BODY_BYTES: larger deliveries are refused
    keep_days: float = 30.0  # SEGUE_KEEP_DAYS: how long bodies, increments, logs and unneeded images are kept
    logs: str = "files"  # SEGUE_LOGS: where processes log: files below home, or stdout, their standard output
    allow_unsigned: bool = False  # SEGUE_ALLOW_UNSIGNED: accept sources that have no secret
    images: str | None = None  # SEGUE_IMAGES: where images are pushed to, https://registry.example/models
    base: str | None = None  # SEGUE_BASE: the image that pushed images stand on, by digest
    builder: str | None = None  # SEGUE_BUILDER: the cluster that images are built in; None: this machine
    builder_image: str | None = None  # SEGUE_BUILDER_IMAGE: Segue's own image, which builds run in
    builder_secret: str | None = None  # SEGUE_BUILDER_SECRET: the Secret there that holds logins
    builder_pull_secrets: tuple[str, ...] = ()  # SEGUE_BUILDER_PULL_SECRETS: its image is pulled with them
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
        intake_port=values.whole(environ, "SEGUE_INTAKE_PORT", default.intake_port, PORTS),
        web_port=values.whole(environ, "SEGUE_WEB_PORT", default.web_port, PORTS),
        router_port=values.whole(environ, "SEGUE_ROUTER_PORT", default.router_port, PORTS),
        scrape_seconds=values.number(environ, "SEGUE_SCRAPE_SECONDS", default.scrape_seconds),
        sweep_seconds=values.number(environ, "SEGUE_SWEEP_SECONDS", default.sweep_seconds),
        body_bytes=values.whole(environ, "SEGUE_BODY_BYTES", default.body_bytes, BODY_BYTES),
        keep_days=values.number(environ, "SEGUE_KEEP_DAYS", default.keep_days),
        logs=values.one_of(environ, "SEGUE_LOGS", default.logs, LOGS),
        allow_unsigned=values.yes(environ, "SEGUE_ALLOW_UNSIGNED"),
        images=values.address(environ, "SEGUE_IMAGES", WEB, "https://registry.example/models"),
        base=values.address(environ, "SEGUE_BASE", WEB, "https://host/python@sha256:…"),
        builder=environ.get("SEGUE_BUILDER") or None,
        builder_image=environ.get("SEGUE_BUILDER_IMAGE") or None,
        builder_secret=environ.get("SEGUE_BUILDER_SECRET") or None,
        builder_pull_secrets=values.secrets(environ, "SEGUE_BUILDER_PULL_SECRETS"),
        dockerfiles=environ.get("SEGUE_DOCKERFILES") or None,
        buildah_image=environ.get("SEGUE_BUILDAH_IMAGE") or None,
        build_secrets=values.keys(environ, "SEGUE_BUILD_SECRETS"),
        git_roots=values.folders(environ, "SEGUE_GIT_ROOTS"),
        trust=_trust(environ, default.trust),
        clusters_only=values.yes(environ, "SEGUE_CLUSTERS_ONLY"),
        probe_port=values.whole(environ, "SEGUE_PROBE_PORT", 0, PROBES) or None,
        intake_url=values.address(environ, "SEGUE_INTAKE_URL", WEB, "https://hooks.example"),
        web_url=values.address(environ, "SEGUE_WEB_URL", WEB, "https://segue.example"),
        most_per_model=values.whole(environ, "SEGUE_MOST_PER_MODEL", 0, ROLLOUTS) or None,
        most_per_cluster=values.whole(environ, "SEGUE_MOST_PER_CLUSTER", 0, ROLLOUTS) or None,
        checkpoints=values.archives(environ, "SEGUE_CHECKPOINTS"),
        checkpoint_seconds=values.number(environ, "SEGUE_CHECKPOINT_SECONDS", default.checkpoint_seconds),
        openlineage=_openlineage(environ),
        freeze=values.freezes(environ, "SEGUE_FREEZE"),
        calendars=values.calendars(environ, "SEGUE_CALENDARS"),
        version_notes=values.one_of(environ, "SEGUE_VERSION_NOTES", default.version_notes, VERSION_NOTES),
        oidc_issuer=values.address(environ, "SEGUE_OIDC_ISSUER", WEB, "https://login.example/realms/ml"),
        oidc_client=environ.get("SEGUE_OIDC_CLIENT") or None,
        oidc_scopes=environ.get("SEGUE_OIDC_SCOPES") or default.oidc_scopes,
        oidc_name=environ.get("SEGUE_OIDC_NAME") or default.oidc_name,
        oidc_groups=environ.get("SEGUE_OIDC_GROUPS") or default.oidc_groups,
        proxies=values.networks(environ, "SEGUE_PROXIES"),
        segments=values.segments(environ, "SEGUE_SEGMENTS"),
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
        "SEGUE_LOGS": settings.logs,
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


def _openlineage(environ: Mapping[str, str]) -> str | None:
    name = "SEGUE_OPENLINEAGE"
    address = values.address(environ, name, WEB, "https://marquez.example/api/v1/lineage")
    values.check_bare(name, address or "", "login-openlineage")
    return address


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


def _broker(environ: Mapping[str, str]) -> str | None:
    address = values.address(environ, "SEGUE_BROKER", BROKERS, "redis://127.0.0.1:6379/0")
    try:
        broker_tls.parted(address or "")
    except ValueError as reason:
        raise SettingsError(f"SEGUE_BROKER has an option of TLS that cannot be: {reason}") from reason
    return address


def _database(environ: Mapping[str, str]) -> str | None:
    address = values.address(environ, "SEGUE_DATABASE", DATABASES, "postgresql://segue@db.example/segue")
    try:
        database_tls.parted(address or "")
    except ValueError as reason:
        raise SettingsError(f"SEGUE_DATABASE has an option of TLS that cannot be: {reason}") from reason
    return address


def _trust(environ: Mapping[str, str], default: str) -> str:
    text = environ.get("SEGUE_TRUST") or default
    try:
        trust.rules(text)
    except ValueError as reason:
        raise SettingsError(f"SEGUE_TRUST is {text!r}: {reason}") from reason
    return text
