def transpose(a):
    """Return the matrix with rows and columns exchanged."""
    return [list(column) for column in zip(*a)]


def add(a, b):
    """Return the sum of two matrices."""
    if len(a) != len(b) or len(a[0]) != len(b[0]):
        raise ValueError("the sizes don't fit")
    return [[x + y for x, y in zip(row, other)] for row, other in zip(a, b)]


def multiply(a, b):
    """Return the product of two matrices."""
    if len(a[0]) != len(b):
        raise ValueError("the sizes don't fit")
    columns = transpose(b)
    return [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]


def power(a, n):
    """Return the n-th power of a square matrix."""
    if len(a) != len(a[0]) or n < 0:
        raise ValueError("only square matrices have powers")
    result = [[int(i == j) for j in range(len(a))] for i in range(len(a))]
    while n:
        if n % 2:
            result = multiply(result, a)
        a = multiply(a, a)
        n //= 2
    return result
