"""Payloads: typed values to JSON and back, at most 64 KiB."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from computor_core.plugin_api.workflows import MAX_PAYLOAD_BYTES, NonRetryableError, PayloadLimitError

if TYPE_CHECKING:
    from computor_core.plugin_api.workflows import Json

__all__ = ["decode", "encode", "require_small_json"]


@lru_cache(maxsize=1024)
def _adapter(kind: object) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))


def encode(kind: object, value: object, what: str) -> Json:
    """A value of type ``kind`` as JSON values.

    Args:
        kind: The declared type; pydantic models, dataclasses and what they are made of.
        value: The value.
        what: What it is, for the message (``"output of step submission.prepare"``).

    Raises:
        PayloadLimitError: More than 64 KiB of JSON.
        NonRetryableError: The value isn't of the declared type.
    """
    adapter = _adapter(kind)
    try:
        # An instance of the type itself is taken as it is; anything else must convert to one.
        text = adapter.dump_json(adapter.validate_python(value), warnings="error")
    except (ValueError, TypeError) as error:
        raise NonRetryableError(
            f"{what} isn't a {_name(kind)}", details={"given": type(value).__name__}
        ) from error
    require_small_json(text, what)
    return json.loads(text)


def decode(kind: object, payload: Json, what: str) -> Any:  # noqa: ANN401 - of type ``kind``
    """A value of type ``kind`` from JSON values.

    Raises:
        NonRetryableError: The payload doesn't fit the type; ``details`` says where.
    """
    try:
        return _adapter(kind).validate_json(json.dumps(payload))
    except ValidationError as error:
        problems = [
            {"path": ".".join(map(str, item["loc"])), "code": item["type"]}
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise NonRetryableError(f"{what} isn't a {_name(kind)}", details={"problems": problems}) from error


def require_small_json(text: bytes, what: str) -> None:
    """Refuse a payload of more than 64 KiB.

    Raises:
        PayloadLimitError: It is larger.
    """
    if len(text) > MAX_PAYLOAD_BYTES:
        raise PayloadLimitError(
            f"{what} has {len(text)} bytes, more than {MAX_PAYLOAD_BYTES}",
            hint="pass ids and blob references",
            details={"bytes": len(text), "limit": MAX_PAYLOAD_BYTES},
        )


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))
