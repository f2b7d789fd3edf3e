"""A JUnit report is read, or refused as a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computor_core.assessment import junit
from computor_core.assessment.junit import Outcome, ReportError


def report(cases: str, tests: int = 1, failures: int = 0, errors: int = 0, skipped: int = 0) -> bytes:
    totals = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    return f'<?xml version="1.0"?><testsuites><testsuite {totals}>{cases}</testsuite></testsuites>'.encode()


CASE = '<testcase classname="m" name="a"/>'


def test_outcomes_are_read() -> None:
    cases = (
        '<testcase classname="m.C" name="good" time="1"/>'
        '<testcase classname="m" name="bad"><failure message="1 != 2">trace</failure></testcase>'
        '<testcase classname="m" name="broken"><error message="boom"/></testcase>'
        '<testcase classname="m" name="left"><skipped message="later"/></testcase>'
    )
    found = junit.parse(report(cases, tests=4, failures=1, errors=1, skipped=1))
    assert [(test.classname, test.name, test.outcome, test.message) for test in found] == [
        ("m.C", "good", Outcome.PASSED, ""),
        ("m", "bad", Outcome.FAILED, "1 != 2"),
        ("m", "broken", Outcome.ERROR, "boom"),
        ("m", "left", Outcome.SKIPPED, "later"),
    ]


def test_the_worst_of_several_outcomes_counts() -> None:
    case = '<testcase classname="m" name="a"><failure message="f"/><error message="e"/></testcase>'
    assert junit.parse(report(case, errors=1))[0].outcome is Outcome.ERROR


ENTITY = b'<!DOCTYPE t [<!ENTITY a "aaaa">]><testsuites/>'
BILLION = b'<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><testsuites>&b;</testsuites>'
EXTERNAL = b'<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuites/>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        report(CASE)[:-5],
        report(CASE, tests=2),
        report(CASE, failures=1),
        report(CASE, errors=1),
        report(CASE, skipped=1),
        report(CASE * 2, tests=2),
        report('<testcase classname="m" name="a"><failure/></testcase>'),
        b"<testsuites><testsuite>" + CASE.encode() + b"</testsuite></testsuites>",
        b"<testsuites>" + CASE.encode() + b"</testsuites>",
        CASE.encode(),
        report("<x>" * 20 + "</x>" * 20, tests=0),
        report("<x/>" * 30_000, tests=0),
        b" " * (junit.MAX_BYTES + 1),
        ENTITY,
        BILLION,
        EXTERNAL,
        '<testsuites name="ü"/>'.encode("latin-1"),
    ],
    ids=range(19),
)
def test_a_report_that_is_not_whole_is_refused(content: bytes) -> None:
    with pytest.raises(ReportError):
        junit.parse(content)


def test_the_encoding_that_a_report_declares_is_not_looked_up() -> None:
    assert junit.parse(b'<?xml version="1.0" encoding="no-such-encoding"?><testsuites/>') == []


@given(st.binary(max_size=300) | st.text(alphabet='<>/testcasuileme="1 ', max_size=200).map(str.encode))
def test_any_bytes_end_in_tests_or_a_refusal(content: bytes) -> None:
    try:
        junit.parse(content)
    except ReportError:
        return
