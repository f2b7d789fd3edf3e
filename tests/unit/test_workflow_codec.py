"""Payloads become JSON of at most 64 KiB, and typed values again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from computor_core.plugin_api.workflows import (
    MAX_PAYLOAD_BYTES,
    EventResult,
    NonRetryableError,
    PayloadLimitError,
)
from computor_core.workflows.codec import decode, encode


class Inner(BaseModel):
    id: UUID
    at: datetime


@dataclass(frozen=True)
class Outer:
    inner: Inner
    points: Decimal
    names: tuple[str, ...] = ()


def test_nested_types_come_back_as_they_were() -> None:
    value = Outer(Inner(id=uuid4(), at=datetime(2026, 1, 1, tzinfo=UTC)), Decimal("1.25"), ("a", "b"))
    assert decode(Outer, encode(Outer, value, "a payload"), "a payload") == value


def test_nothing_is_a_payload() -> None:
    assert encode(NoneType, None, "a payload") is None
    assert decode(NoneType, None, "a payload") is None


def test_an_events_result_can_be_passed_to_a_step() -> None:
    kind = EventResult[Inner]
    value = EventResult("job.done", "7", Inner(id=uuid4(), at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert decode(kind, encode(kind, value, "a payload"), "a payload") == value


@pytest.mark.parametrize(
    ("kind", "value"), [(int, "many"), (str, 3), (Inner, None), (Inner, {"id": 1}), (Outer, 5), (NoneType, 1)]
)
def test_a_value_of_another_type_is_refused(kind: object, value: object) -> None:
    with pytest.raises(NonRetryableError, match="the output isn't a"):
        encode(kind, value, "the output")


def test_a_payload_that_doesnt_fit_says_where_and_not_what() -> None:
    with pytest.raises(NonRetryableError) as refused:
        decode(Inner, {"id": "secret"}, "the input")
    assert refused.value.details["problems"] == [
        {"path": "id", "code": "uuid_parsing"},
        {"path": "at", "code": "missing"},
    ]
    assert "secret" not in str(refused.value.details)


def test_64_kib_pass_and_one_byte_more_doesnt() -> None:
    fits = "x" * (MAX_PAYLOAD_BYTES - 2)
    assert encode(str, fits, "the output") == fits
    with pytest.raises(PayloadLimitError) as refused:
        encode(str, fits + "x", "the output")
    assert refused.value.details == {"bytes": MAX_PAYLOAD_BYTES + 1, "limit": MAX_PAYLOAD_BYTES}


def test_bytes_count_and_not_characters() -> None:
    with pytest.raises(PayloadLimitError):
        encode(str, "ü" * (MAX_PAYLOAD_BYTES // 2), "the output")
