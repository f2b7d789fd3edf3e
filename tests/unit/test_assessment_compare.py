"""Outputs are compared as the specification says, in bounded time."""

import pytest

from computor_core.assessment.compare import PatternError, check_pattern, same_text
from computor_core.assessment.model import TextComparison, TextMode
from computor_core.assessment.text import clean, decode


@pytest.mark.parametrize(
    ("mode", "actual", "expected", "same"),
    [
        ("exact", "a\n", "a\n", True),
        ("exact", "a \n", "a\n", False),
        ("lines", "a  \nb\n\n\n", "a\nb", True),
        ("lines", " a\n", "a\n", False),
        ("lines", "a\n\nb\n", "a\nb\n", False),
        ("tokens", "  a\n b\t", "a b", True),
        ("tokens", "ab", "a b", False),
        ("numeric", "x 1.0000000001", "x 1", True),
        ("numeric", "x 1.1", "x 1", False),
        ("numeric", "1 2", "1", False),
        ("numeric", "y", "x", False),
        ("numeric", "1", "one", False),
        ("regex", "7 of 9\n", r"\d+ of \d+", True),
        ("regex", "7 of 9 and more", r"\d+ of \d+", False),
        ("regex", "a\nb\n", r"a.*b", True),
    ],
)
def test_modes(mode: str, actual: str, expected: str, same: bool) -> None:
    assert same_text(actual, expected, TextComparison(mode=TextMode(mode))) is same


@pytest.mark.parametrize("mode", list(TextMode))
def test_case_can_be_ignored(mode: TextMode) -> None:
    assert same_text(
        "Straße A",
        "STRASSE a" if mode is not TextMode.REGEX else "straße a",
        TextComparison(mode=mode, ignore_case=True),
    )
    assert not same_text("Yes", "yes", TextComparison(mode=mode))


def test_the_tolerance_is_the_specification_s() -> None:
    assert same_text("100.4", "100", TextComparison(mode=TextMode.NUMERIC, absolute=0.5))
    assert not same_text("100.6", "100", TextComparison(mode=TextMode.NUMERIC, absolute=0.5))


def test_a_pattern_that_explodes_is_given_up() -> None:
    with pytest.raises(PatternError, match="too long"):
        same_text("a" * 60 + "b", r"(a|aa)+(a|aa)+(a|aa)+$", TextComparison(mode=TextMode.REGEX))


def test_a_pattern_that_is_not_valid_is_refused() -> None:
    with pytest.raises(PatternError):
        check_pattern("(")


def test_decoding_never_fails() -> None:
    assert decode(b"a\r\nb\xff") == "a\nb\ufffd"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1bPdevice\x1b\\text", "text"),
        (b"\x1b(Btext", "text"),
        (b"a\x00b\x08c\rd", "a\ufffdb\ufffdc\ufffdd"),
        (b"tab\tline\n", "tab\tline\n"),
        ("user\u202egnp.exe".encode(), "user\ufffdgnp.exe"),
        (b"\xc3\x28", "\ufffd("),
        (b"\x9b31m", "\ufffd31m"),
    ],
)
def test_what_is_shown_controls_no_terminal(raw: bytes, shown: str) -> None:
    assert clean(raw) == shown


def test_a_surrogate_can_be_stored() -> None:
    clean("\ud800").encode("utf-8")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * 25, limit=10) == "x" * 10 + "\n… [15 characters cut]"
    assert clean("x" * 10, limit=10) == "x" * 10
