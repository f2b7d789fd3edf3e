"""Fractional positions: text keys between any two of which another one fits.

Keys are fractions between 0 and 1 written in base 62 without the leading "0.", compared byte by
byte; none ends in the digit 0, so that there is always room below (D. Greenspan, "Implementing
Fractional Indexing", 2020).
"""

from __future__ import annotations

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""In the order of their bytes."""


def between(lower: str, upper: str | None) -> str:
    """A key after ``lower`` and before ``upper``.

    Args:
        lower: A key, or "" for the very beginning.
        upper: A key, or None for the very end.

    Raises:
        ValueError: They aren't in order, or one isn't a key.
    """
    for key in (lower, upper or ""):
        if key.endswith("0") or not set(key) <= set(DIGITS):
            raise ValueError(f"{key!r} isn't a position")
    if upper is not None and not lower < upper:
        raise ValueError(f"{lower!r} doesn't come before {upper!r}")
    return _between(lower, upper)


def _between(lower: str, upper: str | None) -> str:
    if upper is not None:
        shared = 0
        while shared < len(upper) and (lower[shared] if shared < len(lower) else "0") == upper[shared]:
            shared += 1
        if shared:
            return upper[:shared] + _between(lower[shared:], upper[shared:])
    first = DIGITS.index(lower[0]) if lower else 0
    last = DIGITS.index(upper[0]) if upper else len(DIGITS)
    if last - first > 1:
        # Keys made one after the other at the end stay short: step by one instead of halving.
        return DIGITS[first + 1 if upper is None else (first + last) // 2]
    if upper is not None and len(upper) > 1:
        return upper[0]
    return DIGITS[first] + _between(lower[1:], None)
