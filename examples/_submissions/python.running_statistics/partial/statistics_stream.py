import sys

values = [float(line) for line in sys.stdin if line.strip()]
count = len(values)
print("count", count)
if values:
    mean = sum(values) / count
    # The textbook formula: fine until numbers are large and close together.
    variance = sum(value * value for value in values) / count - mean * mean
    deviation = (max(variance, 0.0) * count / (count - 1)) ** 0.5 if count > 1 else 0.0
    print("mean", mean)
    print("deviation", deviation)
    print("largest", max(values))
