"""What `segue doctor` says of ways on which others could read along: people's to the page, Segue's to its
database and its broker. It reads settings, and asks nobody."""

from urllib.parse import parse_qsl, urlsplit

from service import broker_tls, database_tls
from service.loopback import HERE
from service.ports.clusters import Finding
from service.settings import Settings

INSIDE = (".svc", ".svc.cluster.local")  # names that only a cluster knows
NEAR = "on this machine or within its cluster"


def examine(settings: Settings) -> list[Finding]:
    """A finding for each of these ways that there is."""
    found = [_page(settings)]
    if settings.database is not None:
        checked = (database_tls.MODE, database_tls.CHECKED) in parse_qsl(urlsplit(settings.database).query)
        mend = "add ?sslmode=verify-full to SEGUE_DATABASE"
        found.append(_way("database", settings.database, mend, safe=checked))
    if settings.broker is not None:
        checked = settings.broker.startswith((broker_tls.REDIS, broker_tls.RABBITMQ))
        mend = "write rediss:// or amqps:// in SEGUE_BROKER"
        found.append(_way("broker", settings.broker, mend, safe=checked))
    return found


def _page(settings: Settings) -> Finding:
    address = settings.web_url or ""
    where = urlsplit(address).hostname or settings.host
    if address.startswith("https://"):
        return Finding("page", ok=True, detail=f"people come by HTTPS to {where}")
    # A name that this machine has for itself does not say who else comes.
    far = [host for host in ((where, settings.host) if _here(where) else (where,)) if not _near(host)]
    if not far:
        return Finding("page", ok=True, detail=f"people come by HTTP {NEAR}")
    detail = f"people come by HTTP to {far[0]}: whoever sits in between reads their tokens"
    mend = "put a proxy with HTTPS in front, and set SEGUE_WEB_URL to its https:// address"
    return Finding("page", ok=False, detail=detail, mend=mend)


def _way(what: str, url: str, mend: str, *, safe: bool) -> Finding:
    where = urlsplit(url).hostname or "localhost"  # of a socket there is no name
    if safe:
        return Finding(what, ok=True, detail=f"over TLS to {where}")
    if _near(where):
        return Finding(what, ok=True, detail=f"without TLS {NEAR}")
    detail = f"without TLS that is checked to {where}: whoever sits in between reads and changes what is said"
    return Finding(what, ok=False, detail=detail, mend=mend)


def _near(host: str) -> bool:
    return _here(host) or host.endswith(INSIDE)


def _here(host: str) -> bool:
    return host in HERE or host.startswith("127.")
