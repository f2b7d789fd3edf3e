import statistics
import sys

values = [float(line) for line in sys.stdin]
print("count", len(values))
print("mean", statistics.mean(values))
print("deviation", statistics.stdev(values))
print("largest", max(values))
