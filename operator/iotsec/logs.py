"""JSON logs of our own and of the libraries alike, with nothing secret in any line."""

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

# User, account and operator seeds; any JWT. Types mask themselves; this is the net below them.
_SECRET = re.compile(r"S[OAUNCX][A-Z2-7]{56}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?")

_MASK = "[masked]"


def masked(text: str) -> str:
    """Return the text with every seed and JWT masked."""
    return _SECRET.sub(_MASK, text)


def _mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: masked(value) if isinstance(value, str) else value for key, value in event.items()}


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Send every log line as JSON to a stream."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _mask, structlog.processors.JSONRenderer(sort_keys=True)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _mask,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up when something is wrong; kopf tells of every event at INFO.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
