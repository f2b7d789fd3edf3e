def transpose(a):
    return [[row[i] for row in a] for i in range(len(a[0]))]


def add(a, b):
    """Change the argument, and take any size."""
    for i in range(len(b)):
        for j in range(len(b[i])):
            a[i][j] += b[i][j]
    return a


def multiply(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(len(b))) for j in range(len(b[0]))] for i in range(len(a))]


def power(a, n):
    result = a
    for _ in range(n - 1):
        result = multiply(result, a)
    return result
