"""Log lines as JSON, one object on a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

from computor_fastapi_host.context import current_request

__all__ = ["JsonFormatter", "log_to"]

_PLUGINS = "computor.plugins."
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """A record as JSON: time (UTC), level, logger, message, request id, user and plugin, and its extras."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = current_request.get()
        if request is not None:
            line["request_id"] = request.request_id
            line["user"] = request.who
        if record.name.startswith(_PLUGINS):
            line["plugin"] = record.name[len(_PLUGINS) :].partition(".")[0]
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # ASCII alone: U+009B begins a terminal's control sequence, and U+2028 ends a line for some readers.
        return json.dumps(line, default=str)


def log_to(stream: TextIO, *, level: int = logging.INFO) -> None:
    """Send all log lines of the process to a stream; for a server's own process, never for embedding."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Both tell of every request, which the access log does.
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
