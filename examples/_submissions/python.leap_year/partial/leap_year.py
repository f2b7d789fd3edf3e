def is_leap_year(year):
    """Forget about the centuries."""
    return year % 4 == 0
