"""The forms in which it is told what served when."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

from service.engine import openlineage
from service.engine.served import Served


class Form(StrEnum):
    """The form of a lineage."""

    OPENLINEAGE = "openlineage"
    CYCLONEDX = "cyclonedx"


KINDS = {Form.OPENLINEAGE: "application/x-ndjson", Form.CYCLONEDX: "application/vnd.cyclonedx+json"}


def events(found: Sequence[Served], namespace: str, sources: Mapping[str, str]) -> str:
    """The run events of these releases, one a line."""
    told = (
        openlineage.event(one, turn, namespace, sources) for one in found for turn in openlineage.turns(one)
    )
    return "".join(json.dumps(event) + "\n" for event in told)
