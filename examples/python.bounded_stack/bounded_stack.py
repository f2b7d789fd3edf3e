class BoundedStack:
    """A stack that holds at most a given number of elements."""

    def __init__(self, capacity):
        if capacity < 1:
            raise ValueError("the capacity must be at least 1")
        self._capacity = capacity
        self._elements = []

    def push(self, element):
        """Put an element on top."""
        if len(self._elements) == self._capacity:
            raise OverflowError("the stack is full")
        self._elements.append(element)

    def pop(self):
        """Take the top element off and return it."""
        if not self._elements:
            raise IndexError("the stack is empty")
        return self._elements.pop()

    def peek(self):
        """Return the top element."""
        if not self._elements:
            raise IndexError("the stack is empty")
        return self._elements[-1]

    def __len__(self):
        return len(self._elements)

    def __iter__(self):
        return iter(self._elements[::-1])
