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


def there_and_back(value: object) -> object:
    """A value as a judge gets it."""
    return values.decode(json.loads(json.dumps(values.encode(value))), hashed=False)


def same(one: object, other: object, comparison: ValueComparison) -> bool:
    return same_value(there_and_back(one), there_and_back(other), comparison)


@given(_ANY)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    text = json.dumps(values.encode(value))
    assert values.decode(json.loads(text)) == value
    assert same(value, value, ValueComparison())


@given(_HASHABLE, _HASHABLE)
def test_elements_are_told_apart_as_python_tells_values_of_one_type_apart(one: object, other: object) -> None:
    exact = ValueComparison()
    assert same({one}, {other}, exact) == same({one: 0}, {other: 0}, exact) == same(one, other, exact)


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
    decoded = there_and_back(value)
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
        {"set": [{"tuple": [[1]]}]},
        {"set": [{"set": []}]},
        {"dict": [[{"dict": []}, 1]]},
        {"bytes": "no hex"},
        {"float": "1.5"},
        {"complex": [1]},
        {"complex": ["1", 2]},
        {"complex": [10**400, 0]},
        {"decimal": "x"},
        {"decimal": "sNaN"},
        {"decimal": "1E+9999999999999999999"},
        {"fraction": "1/0"},
        {"fraction": "1e3"},
        {"fraction": "1e9000000"},
        {"fraction": "0.5"},
        {"fraction": "1_0"},
        {"fraction": "9" * 5_000},
        {"fraction": "1/" + "9" * 5_000},
        {"decimal": "9" * 5_000},
        {"other": ["only one"]},
        1 << 20_000,
        "x" * 2_000_000,
    ],
    ids=range(29),
)
@pytest.mark.parametrize("hashed", [True, False])
def test_what_is_not_in_the_encoding_is_refused(data: object, hashed: bool) -> None:
    with pytest.raises(values.EncodingError):
        values.decode(data, hashed=hashed)


def test_a_judge_hashes_no_element_that_somebody_chose() -> None:
    """Integers that differ by multiples of 2**61 - 1 all have one hash: n of them take n² steps."""

    class Unhashable(int):
        __hash__ = None  # type: ignore[assignment]

    elements = [Unhashable(number * (2**61 - 1)) for number in range(5)]
    pairs = [[element, 0] for element in elements]
    for data in ({"set": elements}, {"frozenset": elements}, {"dict": pairs}):
        with pytest.raises(values.EncodingError):
            values.decode(data)
        decoded = values.decode(data, hashed=False)
        assert same_value(decoded, values.decode(data, hashed=False), ValueComparison())


@pytest.mark.parametrize(
    "value", [{}, set(), {1}, {"a": (1, {2.0: b"x"})}, frozenset(), frozenset({"a"}), [frozenset({(1, 2)})]]
)
def test_what_was_not_hashed_is_shown_as_python_shows_it(value: object) -> None:
    assert repr(there_and_back(value)) == repr(value)


@pytest.mark.parametrize(
    "value", [Fraction(1, 1 << 20_000), Fraction(1 << 20_000, 3), Decimal("1" * 5_000)], ids=range(3)
)
def test_a_number_with_too_many_digits_is_no_answer(value: object) -> None:
    with pytest.raises(values.EncodingError):
        values.encode(value)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_decoding_any_json_ends_in_a_value_or_a_refusal(data: object) -> None:
    try:
        decoded = values.decode(data, hashed=False)
    except values.EncodingError:
        return
    assert same_value(decoded, values.decode(data, hashed=False), ValueComparison())


def test_exact_types_count() -> None:
    exact = ValueComparison()
    for one, other in ((1, 1.0), (1, True), ([1], (1,)), ({1}, {True}), ({1: 0}, {True: 0}), (b"a", "a")):
        assert not same(one, other, exact)
    assert not same({(1,)}, {(True,)}, exact)
    assert not same({1: 2}, {1}, exact)
    assert same(Fraction(1, 2), Fraction(2, 4), exact)
    for number in ("1.0", "10E-1", "0.1E1"):
        assert same(Decimal(number), Decimal(1), exact)
        assert same({Decimal(number)}, {Decimal(1)}, exact)
    assert same({0.0, Decimal(0)}, {-0.0, Decimal("-0.00"), complex(-0.0, -0.0)}, exact)
    assert not same({Decimal("Infinity")}, {Decimal("-Infinity")}, exact)
    assert same({1: "a", 2: "b"}, {2: "b", 1: "a"}, exact)


def test_approximate_numbers_are_close_throughout() -> None:
    close = ValueComparison(mode="approximate", relative=1e-6)
    assert same([1, {"a": (2.0000001, 3)}], [1.0000001, {"a": (2, 3.0)}], close)
    assert not same_value([1.1], [1], close)
    assert not same_value([1, 2], [1], close)
    assert same_value(10**400, 10**400, close)
    assert not same_value("1", 1, close)
    assert not same_value(True, 1, close)
    assert same_value(math.nan, math.nan, close)
