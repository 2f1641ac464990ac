"""How a PostgreSQL server over TLS is checked, from the options of its URL; it opens no connection.

    postgresql://segue@db.example/segue?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem

The names are those of PostgreSQL's own clients. Of their modes only those are taken whose name says what
happens: no TLS, or TLS with a certificate of a trusted authority for the server's name. Without a mode the
driver takes TLS where the server offers it, and checks nothing.
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlencode

MODE, AUTHORITY = "sslmode", "sslrootcert"
PLAIN, CHECKED = "disable", "verify-full"


def parted(url: str) -> tuple[str, dict[str, Any]]:
    """The URL without its options of TLS, and what the driver is given for them.

    Raises `ValueError` for an option that cannot be.
    """
    address, _, query = url.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    told = {name: value for name, value in pairs if name.startswith("ssl")}
    left = [(name, value) for name, value in pairs if name not in told]
    plain = f"{address}?{urlencode(left)}" if left else address
    if unknown := sorted(told.keys() - {MODE, AUTHORITY}):
        raise ValueError(f"{unknown[0]} is not known; known: {MODE}, {AUTHORITY}")
    mode, authority = told.get(MODE), told.get(AUTHORITY)
    if mode not in {None, PLAIN, CHECKED}:
        raise ValueError(f"{MODE} is {mode!r}, which would not check who answers; write {CHECKED}")
    if mode != CHECKED and authority is not None:
        raise ValueError(f"{AUTHORITY} needs {MODE}={CHECKED}, too")
    if mode is None:
        return plain, {}
    return plain, {"ssl_context": _context(authority) if mode == CHECKED else False}


def _context(authority: str | None) -> ssl.SSLContext:
    """As Python's own: TLS 1.2 or later, the certificate and its name checked."""
    if authority == "":  # which Python takes for the machine's own list
        raise ValueError(f"{AUTHORITY} names no file; leave it out to trust what this machine trusts")
    try:
        return ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise ValueError(f"{AUTHORITY} names {authority}, which holds no certificate in PEM") from None
    except FileNotFoundError:
        raise ValueError(f"{AUTHORITY} names {authority}, and there is no such file") from None
    except OSError as reason:
        raise ValueError(f"{AUTHORITY} names {authority}, which cannot be read: {reason.strerror}") from None
