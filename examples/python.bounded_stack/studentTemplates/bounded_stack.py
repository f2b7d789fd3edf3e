class BoundedStack:
    """A stack that holds at most a given number of elements."""

    def __init__(self, capacity):
        raise NotImplementedError
