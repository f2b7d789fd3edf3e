"""Python values survive the way through JSON; nothing in it is ever executed or compared by itself."""

import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computor_core.assessment.compare import same_value
from computor_core.assessment.harness import computor_values as values
from computor_core.assessment.model import ValueComparison

_HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.fractions(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
_ANY = st.recursive(
    _HASHABLE | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_HASHABLE, inner, max_size=4),
    max_leaves=12,
)


@given(_ANY)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    text = json.dumps(values.encode(value))
    assert same_value(values.decode(json.loads(text)), value, ValueComparison())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, complex(math.nan, 1)])
def test_what_json_has_no_number_for_comes_back_too(value: complex) -> None:
    text = json.dumps(values.encode(value), allow_nan=False)
    assert repr(values.decode(json.loads(text))) == repr(value)


class Agreeable(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Explosive:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [Agreeable(1), Explosive(), object(), type, len, {1: Agreeable(1)}])
def test_a_value_of_any_other_type_is_equal_to_nothing(value: object) -> None:
    decoded = values.decode(json.loads(json.dumps(values.encode(value))))
    assert not same_value(decoded, value, ValueComparison())
    assert not same_value(decoded, decoded, ValueComparison())
    assert not same_value(decoded, 1, ValueComparison(mode="approximate"))


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(values.EncodingError):
        values.encode(endless)


@pytest.mark.parametrize(
    "value", [[0] * 300_000, "x" * 2_000_000, 1 << 20_000], ids=["list", "text", "integer"]
)
def test_what_is_too_big_is_refused(value: object) -> None:
    with pytest.raises(values.EncodingError):
        values.encode(value)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tuple": [], "set": []},
        {"unknown": []},
        {"tuple": "text"},
        {"dict": [[1]]},
        {"dict": [[[1], 2]]},
        {"set": [[1]]},
        {"bytes": "no hex"},
        {"float": "1.5"},
        {"complex": [1]},
        {"decimal": "x"},
        {"fraction": "1/0"},
        {"other": ["only one"]},
    ],
    ids=str,
)
def test_what_is_not_in_the_encoding_is_refused(data: object) -> None:
    with pytest.raises(values.EncodingError):
        values.decode(data)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_decoding_any_json_ends_in_a_value_or_a_refusal(data: object) -> None:
    try:
        values.decode(data)
    except values.EncodingError:
        return


def test_exact_types_count() -> None:
    exact = ValueComparison()
    for one, other in ((1, 1.0), (1, True), ([1], (1,)), ({1}, {True}), ({1: 0}, {True: 0}), (b"a", "a")):
        assert not same_value(one, other, exact)
    assert same_value(Fraction(1, 2), Fraction(2, 4), exact)
    assert same_value(Decimal("1.0"), Decimal(1), exact)


def test_approximate_numbers_are_close_throughout() -> None:
    close = ValueComparison(mode="approximate", relative=1e-6)
    assert same_value([1, {"a": (2.0000001, 3)}], [1.0000001, {"a": (2, 3.0)}], close)
    assert not same_value([1.1], [1], close)
    assert not same_value([1, 2], [1], close)
    assert same_value(10**400, 10**400, close)
    assert not same_value("1", 1, close)
    assert not same_value(True, 1, close)
    assert same_value(math.nan, math.nan, close)
