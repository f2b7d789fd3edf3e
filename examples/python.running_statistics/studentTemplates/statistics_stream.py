import sys

for line in sys.stdin:
    # Each line holds one number, or nothing.
    pass
