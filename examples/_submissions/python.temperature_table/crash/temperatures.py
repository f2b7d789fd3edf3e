first, last, step = input().split()

print(f"{'Celsius':>10} {'Fahrenheit':>10}")
for celsius in range(first, last + 1, step):
    print(f"{celsius:>10} {celsius * 9 / 5 + 32:>10.1f}")
