"""From exceptions to the failures that are stored, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from computor_core.errors import ComputorError
from computor_core.plugin_api.workflows import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["failure_from_json", "failure_of", "failure_to_json"]

_MAX_MESSAGE = 1000


def failure_of(error: BaseException, unexpected: str) -> Failure:
    """The failure that an exception stands for.

    An exception that isn't Computor's own contributes its type alone: its text may hold anything.

    Args:
        error: The exception.
        unexpected: The code for an exception that isn't Computor's own.
    """
    if isinstance(error, ComputorError):
        details = json.loads(json.dumps(error.details, default=str))
        return Failure(error.code, error.message[:_MAX_MESSAGE], details)
    kind = type(error)
    return Failure(
        unexpected, f"{kind.__name__} was raised", {"type": f"{kind.__module__}.{kind.__qualname__}"}
    )


def failure_to_json(failure: Failure | None) -> dict[str, Any] | None:
    """JSON values to store."""
    if failure is None:
        return None
    return {"code": failure.code, "message": failure.message, "details": dict(failure.details)}


def failure_from_json(stored: Mapping[str, Any] | None) -> Failure | None:
    """The failure that was stored."""
    if stored is None:
        return None
    return Failure(stored["code"], stored["message"], stored.get("details", {}))
