"""A server of lineage is told what happened to a release."""

import json

from policies.effects import SendLineage
from service.bootstrap import Parts
from service.engine import openlineage, served
from service.engine.openlineage import Turn
from service.machine.installation import place
from service.performing.outcomes import Done
from service.ports.outcomes import Refused
from service.sources import shown
from service.store.states import number_of


def send(parts: Parts, effect: SendLineage) -> Done:
    """Tell it; nothing where no share of the traffic changed then."""
    with parts.store.read() as read:
        row = read.release(number_of(effect.release))
        if row is None:
            raise Refused(f"{effect.release} is not known any more")
        found = served.of_release(read, row)
        sources = {source.name: shown(source) for source in read.sources() if source.url}
    namespace = place(parts.settings).web
    for turn in _then(openlineage.turns(found), effect):
        event = openlineage.event(found, turn, namespace, sources)
        parts.open_lineage().send(json.dumps(event).encode())
    return Done()


def _then(turns: list[Turn], effect: SendLineage) -> list[Turn]:
    """The turns of that moment. An end is an event of its own, beside the share that it came with."""
    if effect.turn == "begin":
        return turns[:1]
    found = [turn for turn in turns if turn.kind == "RUNNING" and turn.at == effect.at]
    return [*found, turns[-1]] if effect.turn == "end" else found
