VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def to_roman(number):
    """Know nothing of subtractive pairs."""
    if number < 1 or number > 3999:
        raise ValueError(number)
    numeral = ""
    for letter in "MDCLXVI":
        while number >= VALUES[letter]:
            numeral += letter
            number -= VALUES[letter]
    return numeral


def from_roman(numeral):
    """Add up, subtract where a greater letter follows, accept anything."""
    total = 0
    for index, letter in enumerate(numeral):
        value = VALUES[letter]
        following = VALUES[numeral[index + 1]] if index + 1 < len(numeral) else 0
        total += -value if value < following else value
    return total
