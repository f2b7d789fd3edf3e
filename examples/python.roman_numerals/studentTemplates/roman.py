def to_roman(number):
    """Return the Roman numeral of a number between 1 and 3999."""
    raise NotImplementedError


def from_roman(numeral):
    """Return the number that a Roman numeral stands for."""
    raise NotImplementedError
