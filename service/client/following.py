"""A release as it goes on: server-sent events, taken up again where a connection broke."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from service.client.door import Door
from service.client.errors import Unreachable

SILENCE_SECONDS = 45.0  # three heartbeats
AGAIN_SECONDS = 1.0
TRIES = 5  # one behind the other that told nothing


@dataclass(frozen=True, slots=True)
class Told:
    """One event: `entry` of its record, `release` with its state, or `end`. `id` is where to go on from."""

    event: str
    id: str
    data: dict[str, Any]


def follow(door: Door, url: str, since: str) -> Iterator[Told]:
    """Everything behind `since` until the release has ended.

    Raises `Refusal`, also where there is no room for a stream, and `Unreachable` where it does not come back.
    """
    silent = 0
    while True:
        try:
            for told in _once(door, url, since):
                since, silent = told.id, 0
                yield told
                if told.event == "end":
                    return
        except (Unreachable, requests.RequestException) as error:
            if silent >= TRIES:
                raise Unreachable(f"Segue does not answer at {url}") from error
        except _Over:
            return
        silent += 1
        time.sleep(AGAIN_SECONDS)


class _Over(Exception):
    """It has ended, and all of it was told."""


def _once(door: Door, url: str, since: str) -> Iterator[Told]:
    """What one connection tells."""
    headers = {"Last-Event-ID": since} if since else {}
    with door.open(url, headers, SILENCE_SECONDS) as answer:
        if answer.status_code == 204:
            raise _Over
        answer.encoding = "utf-8"
        yield from _events(answer)


def _events(answer: requests.Response) -> Iterator[Told]:
    """Whole events alone: one that was cut off comes again."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if "data" in fields:
            yield Told(fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"]))
        fields = {}
