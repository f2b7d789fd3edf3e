PARTS = [
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
]


def to_roman(number):
    """Return the Roman numeral of a number between 1 and 3999."""
    if not 1 <= number <= 3999:
        raise ValueError(f"{number} has no Roman numeral")
    numeral = ""
    for value, letters in PARTS:
        count, number = divmod(number, value)
        numeral += letters * count
    return numeral


def from_roman(numeral):
    """Return the number that a Roman numeral stands for."""
    number, rest = 0, numeral
    for value, letters in PARTS:
        while rest.startswith(letters):
            number += value
            rest = rest[len(letters):]
    if rest or not 1 <= number <= 3999 or to_roman(number) != numeral:
        raise ValueError(f"{numeral!r} isn't a Roman numeral")
    return number
