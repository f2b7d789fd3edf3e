import pytest

import matrix


@pytest.mark.parametrize(("n", "expected"), [(0, [[1, 0], [0, 1]]), (1, [[1, 1], [1, 0]]), (10, [[89, 55], [55, 34]])])
def test_power(n, expected):
    assert matrix.power([[1, 1], [1, 0]], n) == expected
