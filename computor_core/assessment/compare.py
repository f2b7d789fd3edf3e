"""Comparing what a submission produced with what was expected, outside any sandbox.

Only values of Python's own types are compared, by the functions below and never by ``==`` of
whatever came back; texts are compared as texts. Everything is bounded in time by the sizes that
limits and encodings allow; patterns, which aren't, get a time limit of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import regex

from computor_core.assessment.harness.computor_values import Other, Unhashed
from computor_core.assessment.model import TextComparison, TextMode, ValueComparison

_PATTERN_SECONDS = 1.0
_PATTERN_TEXT = 1_000_000


def same_value(actual: object, expected: object, comparison: ValueComparison) -> bool:
    """Whether two values, decoded without hashing, are the same under a comparison."""
    if isinstance(actual, Other) or isinstance(expected, Other):
        return False
    if comparison.mode == "approximate" and _is_number(actual) and _is_number(expected):
        return _close(actual, expected, comparison.relative, comparison.absolute)
    if type(actual) is not type(expected):
        return False
    if isinstance(actual, float) and isinstance(expected, float):
        return actual == expected or (math.isnan(actual) and math.isnan(expected))
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        return len(actual) == len(expected) and all(
            same_value(one, other, comparison) for one, other in zip(actual, expected, strict=True)
        )
    if isinstance(actual, Unhashed) and isinstance(expected, Unhashed):
        return _same_unhashed(actual, expected, comparison)
    return bool(actual == expected)


def _is_number(value: object) -> bool:
    return type(value) in (int, float, complex)


def _close(actual: object, expected: object, relative: float, absolute: float) -> bool:
    """:func:`math.isclose`, also for complex numbers and for integers too big for a float."""
    assert isinstance(actual, (int, float, complex)) and isinstance(expected, (int, float, complex))  # noqa: S101, PT018
    try:
        one, other = complex(actual), complex(expected)
    except OverflowError:
        return actual == expected
    pairs = ((one.real, other.real), (one.imag, other.imag))
    return all(
        (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=relative, abs_tol=absolute)
        for a, b in pairs
    )


def _same_unhashed(actual: Unhashed, expected: Unhashed, comparison: ValueComparison) -> bool:
    """Same elements or keys of the same types, and the same value under each; order doesn't matter."""
    if actual.kind != expected.kind or actual.items.keys() != expected.items.keys():
        return False
    if actual.kind != "dict":
        return True
    return all(same_value(actual.items[text], pair, comparison) for text, pair in expected.items.items())


class PatternError(Exception):
    """A pattern isn't valid, or takes too long on a text."""


def same_text(actual: str, expected: str, comparison: TextComparison) -> bool:
    """Whether an output is what was expected, under a comparison.

    Raises:
        PatternError: ``expected`` is a pattern that isn't valid or took longer than a second.
    """
    if comparison.mode is TextMode.REGEX:
        return _matches(actual, expected, ignore_case=comparison.ignore_case)
    if comparison.ignore_case:
        actual, expected = actual.casefold(), expected.casefold()
    if comparison.mode is TextMode.EXACT:
        return actual == expected
    if comparison.mode is TextMode.LINES:
        return _lines(actual) == _lines(expected)
    if comparison.mode is TextMode.TOKENS:
        return actual.split() == expected.split()
    return _same_tokens(actual.split(), expected.split(), comparison)


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_tokens(actual: Sequence[str], expected: Sequence[str], comparison: TextComparison) -> bool:
    if len(actual) != len(expected):
        return False
    for one, other in zip(actual, expected, strict=True):
        if one == other:
            continue
        try:
            a, b = float(one), float(other)
        except ValueError:
            return False
        if not math.isclose(a, b, rel_tol=comparison.relative, abs_tol=comparison.absolute):
            return False
    return True


def _matches(actual: str, pattern: str, *, ignore_case: bool) -> bool:
    flags = regex.DOTALL | regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
    try:
        found = regex.fullmatch(
            pattern, actual.rstrip()[:_PATTERN_TEXT], flags=flags, timeout=_PATTERN_SECONDS
        )
    except regex.error as error:
        raise PatternError(f"the pattern isn't valid: {error}") from error
    except TimeoutError as error:
        raise PatternError("the pattern takes too long on this output") from error
    return found is not None


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that isn't valid.

    Raises:
        PatternError: It isn't.
    """
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise PatternError(f"the pattern isn't valid: {error}") from error


def show(value: object) -> str:
    """A decoded value as Python writes it."""
    if isinstance(value, (Decimal, Fraction)):
        return f"{type(value).__name__}('{value}')"
    return repr(value)
