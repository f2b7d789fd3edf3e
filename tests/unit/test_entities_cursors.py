"""Cursors are opaque, bound to their query, and refused otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from computor_core.entities.cursors import decode, encode, fingerprint
from computor_core.errors import InvalidError

FILTERS = {"course_id": UUID(int=1), "received_from": datetime(2026, 1, 1, tzinfo=UTC), "role_id": ["b", "a"]}
PRINT = fingerprint("artifacts", FILTERS, ["id+"])


def test_a_cursor_comes_back_as_it_went() -> None:
    assert decode(encode(PRINT, ["2026-01-01T00:00:00Z", "x"]), PRINT, 2) == ["2026-01-01T00:00:00Z", "x"]


def test_the_order_of_filters_and_of_alternatives_makes_no_difference() -> None:
    other = dict(reversed(FILTERS.items())) | {"role_id": ["a", "b"]}
    assert fingerprint("artifacts", other, ["id+"]) == PRINT


@pytest.mark.parametrize(
    "other",
    [
        fingerprint("grades", FILTERS, ["id+"]),
        fingerprint("artifacts", FILTERS | {"course_id": UUID(int=2)}, ["id+"]),
        fingerprint("artifacts", {}, ["id+"]),
        fingerprint("artifacts", FILTERS, ["id-"]),
    ],
)
def test_a_cursor_of_another_query_is_refused(other: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decode(encode(other, ["x"]), PRINT, 1)
    assert caught.value.fields[0].code == "other_query"


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%%%", "bnVsbA", "e30", "W10", "\x00", "ä", encode(PRINT, []), encode(PRINT, ["a", "b"])],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decode(cursor, PRINT, 1)
    assert caught.value.fields[0].path == "cursor"
