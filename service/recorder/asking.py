"""Recorded requests, asked of stable and of the candidate at the same time: evidence without users.

Nobody is answered, and nothing is noted but what the policy lets be kept of a copied request.
"""

import asyncio
from collections.abc import Iterable

from multidict import CIMultiDict

from policies.place import SERVED_BY, served_by
from service.recorder.noting import Noting
from service.recorder.orders import Leg
from service.recorder.passing import REQUEST_ID, Asked, Models
from service.recorder.proxy import answered
from service.recorder.requests import Recorded

MOST_AT_ONCE = 16  # requests that wait for an answer: models must not be slow for users because of these


class Asking:
    """Asks both, by these connections."""

    def __init__(self, models: Models, noting: Noting) -> None:
        self._models, self._noting = models, noting

    async def all(self, stable: Leg, leg: Leg, requests: Iterable[Recorded], rate: float) -> None:
        """Each of these, in their order, at most `rate` a second. Cancelled, it leaves the rest."""
        asking: set[asyncio.Task[None]] = set()
        try:
            for one in requests:
                if len(asking) >= MOST_AT_ONCE:
                    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._both(stable, leg, one))
                asking.add(task)
                task.add_done_callback(asking.discard)
                await asyncio.sleep(1 / rate)
            await asyncio.gather(*asking)
        finally:
            for task in asking:
                task.cancel()

    async def _both(self, stable: Leg, leg: Leg, one: Recorded) -> None:
        """What one of them does not answer is a pair, too."""
        both = await asyncio.gather(*(self._models.copy(to.url, _asked(to, one)) for to in (stable, leg)))
        try:
            users, copy = (
                answered(self._noting, to, one.id, said) for to, said in zip((stable, leg), both, strict=True)
            )
            self._noting.paired(leg, users, copy, one.body)
        except Exception:  # noqa: BLE001  whatever an answer holds, the next request is asked
            self._noting.missed(leg.target)


def _asked(leg: Leg, one: Recorded) -> Asked:
    headers: CIMultiDict[str] = CIMultiDict(one.headers)
    headers[REQUEST_ID], headers[SERVED_BY] = one.id, served_by(leg.backend)
    return Asked(one.method, one.path, headers, one.body, one.id)
