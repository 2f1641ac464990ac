"""The forms of amounts: times, memory, shares, weights, and the limits that gates and guards set."""

import re
from decimal import Decimal

from policies.spec.declaration import Comparison
from policies.spec.forms import NUMBER, Form, finite, number, whole
from policies.spec.mistakes import nearest
from policies.spec.wrong import Wrong

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_BYTES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_YEAR = 366 * 86_400.0

CPU = number("CPU cores, such as 2 or 0.5", 0.01, 1024)
PORT = whole("a port", 1, 65_535)


def _duration(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?([A-Za-z]*)", text)
    if not found:
        raise Wrong("is not a time")
    amount, unit = found.groups()
    if unit not in _SECONDS:
        near = amount + (nearest(unit, _SECONDS) or unit[:1].lower() if unit else "s")
        raise Wrong("has no unit" if not unit else f"has an unknown unit `{unit}`", near)
    # Decimal, so that 0.1s is the same number however it was written.
    value = float(Decimal(amount) * Decimal(str(_SECONDS[unit])))
    if value > _YEAR:
        raise Wrong("is longer than a year")
    return value


DURATION = Form(
    "time",
    "a time with its unit: 500ms, 30s, 10m, 24h, 14d",
    _duration,
    {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s?(ms|s|m|h|d)$"},
)


def _memory(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?([A-Za-z]*)", text)
    if not found:
        raise Wrong("is not an amount of memory")
    amount, unit = found.groups()
    if unit not in _BYTES:
        near = next((known for known in _BYTES if unit[:1].lower() == known[0].lower()), "Mi")
        raise Wrong("has no unit" if not unit else f"has an unknown unit `{unit}`", amount + near)
    value = int(Decimal(amount) * _BYTES[unit])
    if not 1 << 20 <= value <= 64 << 40:
        raise Wrong("is not between 1Mi and 64Ti")
    return value


MEMORY = Form(
    "memory",
    "memory with its unit: 512Mi, 4Gi",
    _memory,
    {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s?(Ki|Mi|Gi|Ti)$"},
)


def _percent(text: str) -> Decimal:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?(%?)", text)
    if not found:
        raise Wrong("is not a share")
    amount, sign = found.groups()
    if not sign:
        raise Wrong("has no percent sign, so it could mean two things", f"{amount}%")
    return Decimal(amount)


def share(says: str, *, most: float = 100.0, zero: bool = True) -> Form:
    """Percent with its sign, as a fraction: 1% is 0.01."""

    def read(text: str) -> float:
        percent = _percent(text)
        if percent > Decimal(str(most)) or (percent == 0 and not zero):
            raise Wrong(
                f"is not between 0% and {most:g}%" if zero else f"is not above 0% and up to {most:g}%"
            )
        return float(percent / 100)

    return Form("share", says, read, _SHARE_JSON)


_SHARE_JSON = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s?%$"}
SHARE = share("a share with its percent sign, such as 1%")
GROWTH = share("a relative growth with its percent sign, such as 10%", most=10_000)


def _weight(text: str) -> float:
    percent = _percent(text)
    if not 0 < percent <= 100:
        raise Wrong("is not above 0% and up to 100%")
    return float(percent)


WEIGHT = Form("weight", "a weight with its percent sign, such as 5%", _weight, _SHARE_JSON)


# --- gates -----------------------------------------------------------------------------------

Bound = tuple[Comparison, float]
_RELATIVE = {"worse": Comparison.NO_WORSE, "higher": Comparison.NO_HIGHER}
_LOOKS_LIKE = {"≥": ">=", "=>": ">=", "≤": "<=", "=<": "<=", "==": ">=", "=": ">=", "!=": ">="}


def _amount(text: str) -> float:
    if text.endswith("%"):
        return float(Decimal(str(finite(text[:-1].rstrip()))) / 100)
    return finite(text)


def _limit(text: str) -> Bound:
    found = re.fullmatch(r"([^0-9\s.%-]{1,3})\s*(\S{1,40}(?: ?%)?)", text)
    if not found:
        near = f">= {text}" if re.fullmatch(rf"{NUMBER} ?%?", text) else None
        raise Wrong("is not a comparison", near)
    sign, amount = found.groups()
    if sign not in {">=", ">", "<=", "<"}:
        near = f"{_LOOKS_LIKE[sign]} {amount}" if sign in _LOOKS_LIKE else None
        raise Wrong(f"compares with `{sign}`, which is not one of `>=`, `>`, `<=`, `<`", near)
    return Comparison(sign), _amount(amount)


def _gate(text: str) -> Bound:
    found = re.fullmatch(r"no (worse|higher) than stable(?: by (\S{1,40}(?: ?%)?))?", " ".join(text.split()))
    if found:
        word_, amount = found.groups()
        tolerance = _amount(amount) if amount else 0.0
        if tolerance < 0:
            raise Wrong("tolerates a negative difference")
        return _RELATIVE[word_], tolerance
    if text.lower().startswith("no "):
        raise Wrong("is not a comparison with stable", "no worse than stable by 0.01")
    return _limit(text)


LIMIT = Form("limit", "a limit, such as `<= 0.5` or `>= 98%`", _limit, {"type": "string"})
GATE = Form(
    "gate",
    "a limit such as `>= 0.9` or `<= 12%`, or `no worse than stable by 0.01` (more is better), "
    "or `no higher than stable by 0.01` (less is better)",
    _gate,
    {"type": "string"},
)
