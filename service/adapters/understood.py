"""What a server answers may be JSON and yet not what its documentation says: that is `Retry`.

An adapter reads keys and lists as documented, without asking of each whether it is there.
"""

import functools
import inspect
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import structlog

from service.ports.outcomes import Retry

log = structlog.get_logger()
T = TypeVar("T")
P = ParamSpec("P")
_STRANGE = (AttributeError, LookupError, TypeError, ValueError)
_AFTER = 30.0


def understood(adapter: type[T]) -> type[T]:
    """The class, whose public methods raise `Retry` where an answer does not hold what they read of it."""
    for name in dir(adapter):
        method = inspect.getattr_static(adapter, name)
        if not name.startswith("_") and inspect.isfunction(method):
            setattr(adapter, name, _understanding(method))
    return adapter


def _understanding(method: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(method)
    def asked(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return method(*arguments, **named)
        except _STRANGE as error:
            # Where it was met, and nothing of what was answered: that may hold what is nobody's business.
            at = traceback.extract_tb(error.__traceback__)[-1]
            log.warning("strange answer", asked=method.__qualname__, at=f"{at.name}:{at.lineno}")
            raise Retry(
                f"{_who(arguments[0])} answered in a form that nobody expects there ({method.__name__}:"
                f" {type(error).__name__})",
                after=_AFTER,
            ) from error

    return asked


def _who(adapter: Any) -> str:
    rest = getattr(adapter, "_rest", adapter)  # where it is not a part of its own, it is the adapter itself
    return str(getattr(rest, "root", None) or rest.url)
