"""JSON logs of our own and of the libraries alike, with nothing secret in any line."""

import logging
import re
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

# Seeds of every kind; any JWT; creds and PEM files as a Secret has them. Types mask themselves; this is the net below.
_SECRET = re.compile(
    r"S[OAUNCX][A-Z2-7]{56}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?|LS0tLS1[A-Za-z0-9+/]{16,}={0,2}"
)

_MASK = "[masked]"


def masked(text: str) -> str:
    """Return the text with every seed and JWT masked."""
    return _SECRET.sub(_MASK, text)


def _mask(_: WrappedLogger, __: str, line: str | bytes | EventDict) -> str:
    """Mask the line as it goes out, so that no nested value and no exception is left out."""
    return masked(str(line))


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Send every log line as JSON to a stream."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(sort_keys=True), _mask],
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
                structlog.processors.JSONRenderer(sort_keys=True),
                _mask,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up when something is wrong; kopf tells of every event at INFO.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
