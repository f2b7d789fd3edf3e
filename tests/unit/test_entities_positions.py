"""Fractional positions: there is always room, and the order is that of the bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computor_core.entities.behaviors.positions import DIGITS, between

KEYS = st.text(DIGITS, min_size=1, max_size=6).filter(lambda key: not key.endswith("0"))


def test_the_digits_are_in_byte_order() -> None:
    assert list(DIGITS.encode()) == sorted(DIGITS.encode())


@given(a=KEYS, b=KEYS)
def test_a_key_fits_between_any_two(a: str, b: str) -> None:
    if a == b:
        return
    lower, upper = sorted((a, b))
    middle = between(lower, upper)
    assert lower < middle < upper
    assert not middle.endswith("0")


@given(key=KEYS)
def test_a_key_fits_before_the_first_and_after_the_last(key: str) -> None:
    assert "" < between("", key) < key < between(key, None)


def test_appending_a_thousand_keeps_the_order_and_short_keys() -> None:
    keys = [between("", None)]
    for _ in range(1000):
        keys.append(between(keys[-1], None))
    assert all(a < b for a, b in pairwise(keys))
    assert max(map(len, keys)) <= 1 + 1000 // (len(DIGITS) - 2)


def test_inserting_a_thousand_at_one_place_keeps_the_order() -> None:
    upper = between("", None)
    for _ in range(1000):
        lower = between("", upper)
        assert lower < upper
        upper = lower


@pytest.mark.parametrize(("lower", "upper"), [("b", "a"), ("a", "a"), ("a0", None), ("", "0"), ("-", None)])
def test_what_is_no_order_or_no_key_is_refused(lower: str, upper: str | None) -> None:
    with pytest.raises(ValueError):
        between(lower, upper)
