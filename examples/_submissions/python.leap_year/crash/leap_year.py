def is_leap_year(year):
    """Divide by what is zero for every fourth year."""
    return 1 / (year % 4) == 0
