def transpose(a):
    return [list(column) for column in zip(*a)]


def add(a, b):
    return [[x + y for x, y in zip(row, other)] for row, other in zip(a, b)]


def multiply(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def power(a, n):
    """Count down from the wrong side."""
    result = a
    while n != 1:
        result = multiply(result, [[1, 0], [0, 1]])
        n -= 2
    return result
