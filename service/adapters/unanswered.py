"""Says that a request over HTTP brought no answer, and what mends it where waiting does not.

Nothing of the library's words: they may repeat an address with what stands in it.
"""

import requests

from service.ports.outcomes import Retry

_UNVOUCHED = (
    "its certificate is of no authority that is known here, or for another name; REQUESTS_CA_BUNDLE names a"
    " file with the authorities of a company (for Jobs that build: the key authorities.pem of the builder's"
    " Secret)"
)


class Unvouched(Retry):
    """Its certificate is of no authority that this process knows: only somebody who sets one mends it."""

    def __init__(self, what: str, after: float = 5.0) -> None:
        super().__init__(f"{what}: {_UNVOUCHED}", after)


def unanswered(what: str, error: Exception, after: float = 5.0) -> Retry:
    """`what` with the reason behind it, such as "the registry cannot be reached: ReadTimeout".

    `Unvouched` where it is the certificate.
    """
    # requests has one error for all of TLS; OpenSSL's word for this one stands in what it wraps.
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Unvouched(what, after)
    return Retry(f"{what}: {type(error).__name__}", after)
