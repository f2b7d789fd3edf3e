first = int(input())
last = int(input())
step = int(input())

if step <= 0:
    print("step must be positive")
else:
    print(f"{'Celsius':>10} {'Fahrenheit':>10}")
    for celsius in range(first, last + 1, step):
        print(f"{celsius:>10} {celsius * 9 / 5 + 32:>10.1f}")
