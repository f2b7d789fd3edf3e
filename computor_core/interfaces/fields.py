"""Kinds of field that several DTOs have."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints

MAX_PROPERTIES_BYTES = 16 * 1024
"""Most bytes of JSON in a row's free properties."""

SLUG_PATTERN = r"^[a-z0-9]+([_-][a-z0-9]+)*$"


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone of the IANA database, for example Europe/Vienna") from error
    return name


def _small(value: dict[str, Any]) -> dict[str, Any]:
    # Fails on what JSON has no form for (NaN) and on lone surrogates, which PostgreSQL refuses.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > MAX_PROPERTIES_BYTES:
        raise ValueError(f"more than {MAX_PROPERTIES_BYTES} bytes of JSON")
    return value


Slug = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=SLUG_PATTERN)]
"""Lower-case letters and digits, separated by single ``-`` or ``_``."""

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
"""A name for people."""

Description = Annotated[str, StringConstraints(max_length=4096)]
"""A text for people; Markdown."""

TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_time_zone)]
"""A name of the IANA time zone database."""

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
"""A language tag such as ``de`` or ``de-AT``."""

Points = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=4)]
"""Points: an exact decimal with at most four places."""

Properties = Annotated[dict[str, Any], AfterValidator(_small)]
"""Free JSON of the institution's own, at most 16 KiB."""

PositionKey = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z]*[1-9A-Za-z]$")
]
"""A fractional position: compared as text, never ending in ``0``."""

RoleId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[a-z0-9_:]+$")]
"""A role's id, such as ``course:_tutor``."""
