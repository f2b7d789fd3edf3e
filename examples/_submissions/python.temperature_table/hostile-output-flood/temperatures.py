"""Print ten gigabytes without a single newline."""

import sys

for _ in range(10 * 1024):
    sys.stdout.write("F" * 1024 * 1024)
