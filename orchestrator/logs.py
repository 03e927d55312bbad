"""Structured logs on standard error: a line for a person on a terminal, one JSON object a line otherwise.

An event has a stable name and the ids that it concerns: `log.info("attempt-launched", episode_id=…, runner=…)`. What
libraries log through `logging` comes out the same way, as event `library-log` with the text in `message`.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO, cast

import structlog

from orchestrator.settings import Settings, wants_color

if TYPE_CHECKING:
    from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor, WrappedLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# They repeat at each start, request or beat what Matins says itself.
QUIET_LIBRARIES = ("alembic", "celery", "uvicorn", "httpx", "httpcore", "kombu", "amqp")
# Each failure of it is raised too, and said there in one line instead of a traceback.
SILENT_LIBRARIES = ("paramiko.transport",)
INDISCREET_LIBRARIES = ("apprise", "requests", "urllib3")
"""They name addresses in what they log, at some level, and those of notifications are secrets."""
_hushed: ContextVar[bool] = ContextVar("hushed", default=False)


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends every log of this process to `stream` (standard error). May be called again; the last call holds.

    A Celery app needs `worker_hijack_root_logger=False`, or it replaces the handler.
    """
    out = stream or sys.stderr
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.UnicodeDecoder(),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_foreign],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(as_text, out)],
        )
    )
    handler.addFilter(_is_discreet)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[settings.log_level])
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, LEVELS[settings.log_level]))
    for name in SILENT_LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG if settings.log_level == "debug" else logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        cache_logger_on_first_use=False,
    )


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing that is logged within is written, by whichever library, in the threads that it starts too."""
    token = _hushed.set(True)
    try:
        yield
    finally:
        _hushed.reset(token)


def _is_discreet(record: logging.LogRecord) -> bool:
    return not _hushed.get() and record.name.partition(".")[0] not in INDISCREET_LIBRARIES


def get_logger(**ids: object) -> FilteringBoundLogger:
    """A logger whose every event carries `ids`."""
    return cast("FilteringBoundLogger", structlog.get_logger("matins", **ids))


def _rendering(as_text: bool, out: TextIO) -> list[Processor]:
    if as_text:
        renderer = structlog.dev.ConsoleRenderer(
            colors=wants_color(out.isatty()),
            timestamp_key="at",
            pad_event_to=24,
            exception_formatter=_traceback,
        )
        return [renderer]
    return [structlog.processors.format_exc_info, _in_reading_order, structlog.processors.JSONRenderer(default=str)]


def _traceback(stream: TextIO, exception: ExcInfo) -> None:
    """What an error quotes may come from an agent, and no byte of it may steer the terminal."""
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exception)
    text = plain.getvalue()
    stream.write("".join(sign if sign.isprintable() or sign in "\n\t" else repr(sign)[1:-1] for sign in text))


def _name_foreign(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    event["message"] = event.get("event")
    event["event"] = "library-log"
    if isinstance(record, logging.LogRecord):
        event["library"] = record.name
    return event


def _in_reading_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in ("at", "level", "event") if key in event}
    return {**first, **event}
