def to_roman(number):
    """Tally marks aren't numerals."""
    return "I " * number


def from_roman(numeral):
    return len(numeral)
