import copy

import pytest

import matrix


def test_transpose(wide):
    assert matrix.transpose(wide) == [[1, 4], [2, 5], [3, 6]]


def test_add(wide):
    assert matrix.add(wide, [[10, 20, 30], [40, 50, 60]]) == [[11, 22, 33], [44, 55, 66]]


def test_multiply(wide):
    assert matrix.multiply(wide, [[1, 0], [0, 1], [1, 1]]) == [[4, 5], [10, 11]]


def test_arguments_are_left_alone(wide):
    before = copy.deepcopy(wide)
    matrix.transpose(wide)
    matrix.add(wide, wide)
    assert wide == before


@pytest.mark.parametrize("function", [matrix.add, matrix.multiply])
def test_sizes_that_do_not_fit(function, wide):
    with pytest.raises(ValueError):
        function(wide, [[1, 2], [3, 4]][:1])
