class BoundedStack:
    """Right as long as nobody makes a mistake."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.elements = []

    def push(self, element):
        self.elements.append(element)

    def pop(self):
        return self.elements.pop()

    def peek(self):
        return self.elements[-1]

    def __len__(self):
        return len(self.elements)

    def __iter__(self):
        return reversed(self.elements)
