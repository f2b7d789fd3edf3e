def is_leap_year(year):
    """Print instead of returning: the most common mistake of all."""
    if year % 4 == 0:
        print(True)
    else:
        print(False)
