first = int(input("First temperature: "))
last = int(input("Last temperature: "))
step = int(input("Step: "))

for celsius in range(first, last, step or 1):
    print(celsius, celsius * 1.8 + 32)
