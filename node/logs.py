"""The node's log on stderr: text for people, or one JSON object a line.

Records are written by a thread of their own, so that a slow disk never stops the event loop.
Nothing secret is logged on purpose; what looks like a bearer token is cut out all the same.
"""

import logging
import queue
import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import IO, Any, Final

import msgspec

from node.config import LogConfig

# The longest burst that is kept while the terminal or the disk is slow; past it records are lost.
QUEUE_RECORDS_MAX: Final = 10_000
_SECRET: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+|(?<=bearer )\S+", re.IGNORECASE)
# Libraries whose news are not the user's.
QUIET: Final = ("asyncio", "aiosqlite", "zeroconf", "uvicorn")


def without_secrets(text: str) -> str:
    return _SECRET.sub("[secret]", text)


class TextFormatter(logging.Formatter):
    """`12:30:01 info  node.daemon  listening …`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():<7} {record.name}  {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return without_secrets(line)


class JsonFormatter(logging.Formatter):
    """`{"at","level","logger","message","error"?}`"""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            fields["error"] = without_secrets(self.formatException(record.exc_info))
        return msgspec.json.encode(fields).decode()


class _Lossy(QueueHandler):
    """Drops what does not fit: the log must not stop the node."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # the base class would flatten the exception that the formatters show

    def handleError(self, record: logging.LogRecord) -> None:
        """The queue is full: this record is lost."""


@contextmanager
def logging_to(stream: IO[str], config: LogConfig) -> Generator[None]:
    """Log to `stream` while this is open; what is queued is written before it ends."""
    writer = logging.StreamHandler(stream)
    writer.setFormatter(JsonFormatter() if config.format == "json" else TextFormatter())
    records: queue.Queue[Any] = queue.Queue(QUEUE_RECORDS_MAX)
    handler = _Lossy(records)
    listener = QueueListener(records, writer)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        listener.stop()
