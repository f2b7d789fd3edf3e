"""Cursors: where a page ended, opaque to clients and bound to the query that made it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from computor_core.entities.json_values import json_value, refuse


def fingerprint(endpoint: str, filters: Mapping[str, Any], sort: Sequence[str]) -> str:
    """What a cursor is bound to: the entity, the filters and the sorting, in short."""
    told = {name: _plain(value) for name, value in sorted(filters.items())}
    text = json.dumps([endpoint, told, list(sort)], separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:9]).decode()


def _plain(value: object) -> object:
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(str(json_value(item)) for item in value)
    return json_value(value)


def encode(print_of_query: str, values: Sequence[object]) -> str:
    """The cursor after a row with these sort values."""
    text = json.dumps([print_of_query, *values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, print_of_query: str, length: int) -> list[Any]:
    """The sort values that a cursor carries.

    Raises:
        InvalidError: It isn't a cursor, or belongs to another query.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found = json.loads(text)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise refuse("cursor", "malformed", "it isn't a cursor") from error
    if not isinstance(found, list) or len(found) != length + 1:
        raise refuse("cursor", "malformed", "it isn't a cursor of this list")
    if found[0] != print_of_query:
        raise refuse("cursor", "other_query", "it belongs to a list with other filters or sorting")
    return found[1:]
