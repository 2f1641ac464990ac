"""Bodies that are forms (`application/x-www-form-urlencoded`), as strangers may send them."""

from urllib.parse import parse_qsl, urlencode

from handlers.errors import Malformed
from handlers.signing import Headers, header

FORM = "application/x-www-form-urlencoded"


def is_form(headers: Headers) -> bool:
    """Whether the delivery says that its body is a form."""
    return header(headers, "Content-Type").lower().startswith(FORM)


def fields(body: bytes, most: int) -> dict[str, str]:
    """The fields, of at most so many. Raises `Malformed` for what is no form, and for a field that stands
    there twice."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=most,
        )
    except ValueError as error:
        raise Malformed(f"the body is no form: {error}") from None
    found = dict(pairs)
    if len(found) != len(pairs) or any("\0" in part for pair in pairs for part in pair):
        raise Malformed("a field of the form stands twice, or holds what no text may hold")
    return found


def written(told: dict[str, str]) -> bytes:
    """The form that holds these fields."""
    return urlencode(told).encode("ascii")
