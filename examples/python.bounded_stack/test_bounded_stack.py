import pytest

from bounded_stack import BoundedStack


def filled(*elements, capacity=10):
    stack = BoundedStack(capacity)
    for element in elements:
        stack.push(element)
    return stack


def test_starts_empty():
    assert len(BoundedStack(3)) == 0


def test_last_in_first_out():
    stack = filled("a", "b", "c")
    assert [stack.pop(), stack.pop(), stack.pop()] == ["c", "b", "a"]


def test_peek_leaves_the_element():
    stack = filled(1, 2)
    assert stack.peek() == 2
    assert len(stack) == 2


def test_iterates_from_top_to_bottom():
    assert list(filled(1, 2, 3)) == [3, 2, 1]


def test_stacks_share_nothing():
    first, second = BoundedStack(2), BoundedStack(2)
    first.push("mine")
    assert len(second) == 0


class TestErrors:
    @pytest.mark.parametrize("capacity", [0, -1])
    def test_capacity_below_one(self, capacity):
        with pytest.raises(ValueError):
            BoundedStack(capacity)

    def test_push_on_a_full_stack(self):
        stack = filled(1, 2, capacity=2)
        with pytest.raises(OverflowError):
            stack.push(3)
        assert list(stack) == [2, 1]

    @pytest.mark.parametrize("method", ["pop", "peek"])
    def test_empty(self, method):
        with pytest.raises(IndexError):
            getattr(BoundedStack(1), method)()
