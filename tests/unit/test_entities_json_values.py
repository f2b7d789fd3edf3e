"""Column values as JSON and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import BigInteger, String, Uuid

from computor_core.db.types import JsonType, PointsType, UtcDateTime
from computor_core.entities.json_values import decimal_text, from_json, instant_text, json_value, to_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10", "10"),
        ("10.0000", "10"),
        ("7.5000", "7.5"),
        ("0.0001", "0.0001"),
        ("0", "0"),
        ("1E+2", "100"),
        ("-0.50", "-0.5"),
    ],
)
def test_decimals_are_exact_and_short(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


def test_instants_are_told_in_utc() -> None:
    vienna = timezone(timedelta(hours=1))
    assert instant_text(datetime(2026, 1, 1, 1, tzinfo=vienna)) == "2026-01-01T00:00:00Z"
    assert instant_text(datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2026-01-01T00:00:00.000005Z"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Uuid(), UUID(int=7)),
        (UtcDateTime(), datetime(2026, 1, 1, 12, 30, 1, 5, tzinfo=UTC)),
        (PointsType, Decimal("7.5")),
        (BigInteger(), 7),
        (String(), "x"),
    ],
)
def test_a_sort_value_comes_back_as_it_went(kind: Any, value: object) -> None:
    assert from_json(kind, json_value(value)) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Uuid(), "x"),
        (UtcDateTime(), "yesterday"),
        (UtcDateTime(), "2026-01-01T00:00:00"),
        (PointsType, "NaN"),
        (PointsType, "0.00001"),
        (PointsType, "1e30"),
        (BigInteger(), 2**63),
        (BigInteger(), True),
        (String(), "a\x00"),
        (String(), "\ud800"),
        (PointsType, "many"),
        (BigInteger(), "7"),
        (String(), 7),
        (String(), None),
        (JsonType, {}),
    ],
)
def test_what_is_no_value_of_the_column_is_refused(kind: Any, value: object) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        from_json(kind, value)


def test_plain_values_need_no_conversion() -> None:
    assert to_json(String()) is None
    assert to_json(Uuid()) is str
