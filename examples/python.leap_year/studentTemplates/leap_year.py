def is_leap_year(year):
    """Return True if the year is a leap year, else False."""
    # Replace the next line.
    raise NotImplementedError
