first = int(input())
last = int(input())
step = int(input())

# Print the table here.
