class BoundedStack:
    """A queue, really: first in, first out, and all of them share one list."""

    elements = []

    def __init__(self, capacity):
        self.capacity = capacity

    def push(self, element):
        self.elements.append(element)

    def pop(self):
        return self.elements.pop(0)

    def peek(self):
        return self.elements.pop(0)

    def __len__(self):
        return len(self.elements) + 1

    def __iter__(self):
        return iter(self.elements)
