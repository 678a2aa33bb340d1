"""Structured logs: one JSON object a line on stderr, or coloured text for
eyes; libraries' lines too.
"""

import logging
import sys
import traceback

import structlog

from shared import tracing
from shared.errors import without_rows
from shared.settings import settings

# their INFO is of no use to an operator
CHATTY = ("aiokafka", "faust", "mode", "httpx", "uvicorn.access")


def configure(service: str) -> None:
    """Call once, in `__main__`. Every line carries the service's name, from whichever thread or
    library it comes, and the ids of the trace that it belongs to where traces are on (which this
    switches on, since all processes begin here).
    """
    tracing.configure(service)
    level = getattr(logging, settings().log_level.upper())

    def named(
        _logger: object, _method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        line["service"] = service
        line.update(tracing.ids())
        return line

    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_told),
        named,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings().log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(max(level, logging.INFO))
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _told(exc_info: structlog.typing.ExcInfo) -> str:
    """The traceback, without what PostgreSQL quotes of rows."""
    return without_rows(exc_info[1], "".join(traceback.format_exception(*exc_info)).rstrip("\n"))


def for_people() -> None:
    """For a verb of the command line: its answer is what it prints, warnings go to stderr."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
