def is_leap_year(year):
    """Count up to the year in steps of four, and miss it."""
    candidate = 1
    while candidate != year:
        candidate += 4
        if candidate > year:
            candidate = 1 if year % 4 else candidate - 8
    return True
