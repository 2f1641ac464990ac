"""Takes in the labels that jobs left at a source, for each guard that names one of its tables.

It goes with the sweep of the source. What a job left is read once, and noted with the rows it brought; a
table that is taken twice after a crash adds nothing, because a request's first label stands.
"""

from collections.abc import Iterator

import structlog

from handlers.errors import Malformed
from handlers.labels import Batch, Label, rows_of_table
from policies.spec.declaration import Model
from service.bootstrap import Parts
from service.ports.connections import Source
from service.ports.label_tables import LabelTables, Left
from service.ports.outcomes import Refused
from service.store.states import model_of

log = structlog.get_logger()
KINDS = frozenset({"mlflow"})  # of sources at which jobs leave tables
BACK = 86_400.0  # seconds before the newest that are looked at again: a job's end may be told late
_AT_ONCE = 2_000  # rows of one transaction


def sweep(parts: Parts, source: Source) -> int:
    """How many labels were new. May raise `Retry` or `Refused`."""
    if source.kind not in KINDS:
        return 0
    models = [model_of(row) for row in parts.store.models()]
    wanted = sorted({(model.name, name) for model in models for name in _tables(model, source)})
    return sum(_take(parts, source, model, name) for model, name in wanted)


def _tables(model: Model, source: Source) -> Iterator[str]:
    """What the model's guards read there: `mlflow.churn-outcomes`."""
    for environment in model.environments:
        for guard in environment.guards:
            if guard.labels and guard.labels.startswith(f"{source.name}."):
                yield guard.labels


def _take(parts: Parts, source: Source, model: str, name: str) -> int:
    tables, mark = parts.open_tables(source), _mark(source, model, name)
    seen = {one.reference: float(one.value or 0.0) for one in parts.store.cursors(mark)}
    since = max(seen.values(), default=0.0) - BACK
    fresh = [one for one in tables.left(name.partition(".")[2], max(0.0, since)) if one.key not in seen]
    added = 0
    for one in fresh:
        added += _store(parts, Batch(model, name, _labels(tables, name, one)))
        with parts.store.change() as change:
            change.observe(mark, one.key, repr(one.ended), change.now)
    return added


def _mark(source: Source, model: str, name: str) -> str:
    """Under which what was read is remembered, apart from what the source's own references say."""
    return f"labels:{source.name}:{model}:{name}"


def _store(parts: Parts, batch: Batch) -> int:
    added = 0
    for first in range(0, len(batch.labels), _AT_ONCE):
        with parts.store.change() as change:
            rows = batch.labels[first : first + _AT_ONCE]
            added += change.add_labels(Batch(batch.model, batch.table, rows))
    return added


def _labels(tables: LabelTables, name: str, left: Left) -> tuple[Label, ...]:
    """A table that cannot be read counts for nothing, whole: it is told in the log, and not read again."""
    try:
        content = tables.read(left.key)
        return () if content is None else tuple(label for _, label in rows_of_table(content))
    except (Malformed, Refused) as error:
        log.warning("labels unreadable", table=name, job=left.key, reason=str(error))
        return ()
