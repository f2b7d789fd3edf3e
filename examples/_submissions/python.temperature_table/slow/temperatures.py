first = int(input())
last = int(input())
step = int(input())

print(f"{'Celsius':>10} {'Fahrenheit':>10}")
celsius = first
while celsius <= last:
    print(f"{celsius:>10} {celsius * 9 / 5 + 32:>10.1f}")
    # Forgotten: celsius += step
