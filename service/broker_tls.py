"""How a broker over TLS is checked, from the options of its URL; it opens no connection.

    rediss://redis.example:6379/0?ssl_ca_certs=/etc/ssl/redis-ca.pem
    amqps://user:password@mq.example//?ssl_ca_certs=/etc/ssl/mq-ca.pem

Left to themselves the client libraries take any certificate from a `rediss://` and any name from an `amqps://`.
Here the server's certificate must be of an authority that is trusted and of the server's name, unless the URL
says `ssl_cert_reqs=none`. The options are Celery's; py-amqp has them without the `ssl_`.
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlencode

REDIS, RABBITMQ = "rediss://", "amqps://"
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
CHECKED = "ssl_cert_reqs"
_CHECKS = {
    "required": ssl.CERT_REQUIRED,
    "CERT_REQUIRED": ssl.CERT_REQUIRED,
    "none": ssl.CERT_NONE,
    "CERT_NONE": ssl.CERT_NONE,
}


def parted(broker: str) -> tuple[str, dict[str, Any] | None]:
    """The URL without its options of TLS, and Celery's `broker_use_ssl`; None for a broker without TLS.

    Several URLs, separated by `;`, have the options of all of them. Raises `ValueError` for an option that is
    not known.
    """
    if not broker.startswith((REDIS, RABBITMQ)):
        return broker, None
    told: dict[str, str] = {}
    plain = ";".join(_without(url, told) for url in broker.split(";"))
    if unknown := sorted(told.keys() - {*FILES, CHECKED}):
        raise ValueError(f"{unknown[0]} is not known; known: {', '.join(sorted((*FILES, CHECKED)))}")
    check = told.pop(CHECKED, "required")
    if check not in _CHECKS:
        raise ValueError(f"{CHECKED} is {check!r}; write required or none")
    checked = _CHECKS[check]
    if broker.startswith(REDIS):
        return plain, {**told, CHECKED: checked, "ssl_check_hostname": checked is ssl.CERT_REQUIRED}
    options: dict[str, Any] = {name.removeprefix("ssl_"): value for name, value in told.items()}
    named = {"server_hostname": None} if checked is ssl.CERT_REQUIRED else {}  # None: as the URL says
    return plain, {**options, "cert_reqs": checked, **named}


def _without(url: str, told: dict[str, str]) -> str:
    """The URL without options of TLS, which are put into `told`."""
    address, _, query = url.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    told.update(pair for pair in pairs if pair[0].startswith("ssl_"))
    left = [pair for pair in pairs if not pair[0].startswith("ssl_")]
    return f"{address}?{urlencode(left)}" if left else address
