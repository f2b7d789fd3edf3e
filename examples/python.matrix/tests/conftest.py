import pytest


@pytest.fixture
def wide():
    """A matrix with 2 rows and 3 columns."""
    return [[1, 2, 3], [4, 5, 6]]
