import math
import sys

count, mean, squares, largest = 0, 0.0, 0.0, -math.inf
for line in sys.stdin:
    if not line.strip():
        continue
    value = float(line)
    count += 1
    step = value - mean
    mean += step / count
    squares += step * (value - mean)
    largest = max(largest, value)

print("count", count)
if count:
    print("mean", mean)
    print("deviation", math.sqrt(squares / (count - 1)) if count > 1 else 0.0)
    print("largest", largest)
