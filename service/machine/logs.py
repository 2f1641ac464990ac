"""Where processes log: one JSON object per line, event name first, in files that never grow without end, or
on their standard output, where whoever runs them collects it."""

import io
import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

MOST_BYTES = 10 << 20
KEPT = 3
STDOUT, STDERR = 1, 2


def to_file(folder: Path, process: str) -> None:
    """Log to `<folder>/<process>.log`; libraries' warnings too."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = RotatingFileHandler(folder / f"{process}.log", maxBytes=MOST_BYTES, backupCount=KEPT)
    _configure(handler, process)


def own_stdout() -> int:
    """The standard output, for the log alone: whatever else prints there, as Celery does when it ends, prints
    to standard error from now on."""
    own = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    return own


def to_stdout(process: str, descriptor: int = STDOUT) -> None:
    """Log to the standard output, or to what was that; libraries' warnings too.

    Without a buffer, so that a line is one write: several processes may share the output.
    """
    raw = io.FileIO(descriptor, "w", closefd=False)
    _configure(logging.StreamHandler(io.TextIOWrapper(raw, encoding="utf-8", write_through=True)), process)


def _configure(handler: logging.Handler, process: str) -> None:
    def named(_logger: object, _method: str, told: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Lines of many processes may come in one stream."""
        return {**told, "process": process}

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("kombu", "celery", "alembic", "waitress.queue", "urllib3", "git"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
