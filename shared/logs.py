"""Structured logs: one JSON object a line on stderr, whoever writes it; or text for eyes, coloured
on a terminal alone.

Libraries' lines, warnings, errors that nobody caught, and what is written past all loggers
(`stray_lines`) have the same form. Of an error the whole traceback is told, and at the very end of
the line its `cause`: what began it, in a line.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, TextIO

import structlog

from shared import stray_lines, tracing
from shared.errors import said, without_rows
from shared.settings import settings

# their INFO is of no use to an operator
CHATTY = ("aiokafka", "faust", "mode", "httpx", "uvicorn.access")


def configure(service: str) -> None:
    """Call once, in `__main__`. Every line carries the service's name, from whichever thread or
    library it comes, the id of the request that it belongs to, and the ids of the trace where
    traces are on (which this switches on, since all processes begin here).
    """
    tracing.configure(service)
    level = getattr(logging, settings().log_level.upper())
    is_json = settings().log_format == "json"
    stream: TextIO = sys.stderr
    if is_json:
        stream = stray_lines.caught(_stray)

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
        named,
        _with_cause,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if is_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
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
    logging.captureWarnings(capture=True)
    sys.excepthook = _not_caught
    threading.excepthook = lambda args: _not_caught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def _stray(level: str, line: dict[str, str]) -> None:
    structlog.get_logger().log(getattr(logging, level.upper()), **line)


def _not_caught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """The end of a process, or of a thread."""
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    structlog.get_logger().critical("nobody caught this", exc_info=(kind, error, trace))


def _with_cause(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """`exception` and `cause` come last, without what PostgreSQL quotes of rows."""
    info: Any = line.pop("exc_info", None)
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif info is True:
        info = sys.exc_info()
    if not info or info[1] is None:
        return line
    line["exception"] = _told(info)
    first = info[1]
    while (earlier := first.__cause__ or first.__context__) is not None:
        first = earlier
    line["cause"] = f"{type(first).__name__}: {said(first)}"
    return line


def _told(exc_info: structlog.typing.ExcInfo) -> str:
    """The traceback, without what PostgreSQL quotes of rows."""
    return without_rows(exc_info[1], "".join(traceback.format_exception(*exc_info)).rstrip("\n"))


def for_people() -> None:
    """For a verb of the command line: its answer is what it prints, warnings go to stderr."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
